import { type Address, WireGuard } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { countingRandom, SessionPair, SUITE } from './session-pair.js';

const UNDER_LOAD_HANDSHAKES_PER_SECOND = 128;

/** Message 1 of strangers: right mac1, unknown key. */
function strangers(target: Uint8Array, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const core = new WireGuard({
      privateKey: countingRandom(1000 + i)(32),
      suite: SUITE,
      random: countingRandom(2000 + i),
      unixTimeMs: () => 1_700_000_000_000,
    });
    const peer = core.addPeer({ publicKey: target, address: { address: '192.0.2.2', port: 2 } });
    peer.requestHandshake(0);
    const message = new Uint8Array(148);
    core.pollTransmit(0, message);
    return message;
  });
}

function floodUntilLoaded(pair: SessionPair): void {
  const [message] = strangers(pair.b.core.publicKey, 1) as [Uint8Array];
  for (let i = 0; i < UNDER_LOAD_HANDSHAKES_PER_SECOND; i++) {
    const from: Address = { address: `203.0.113.${i}`, port: 5 };
    expect(pair.receive(pair.b, message.slice(), from)).toEqual({ kind: 'dropped', reason: 'unknown-peer' });
  }
  pair.b.drops.length = 0;
}

describe('under load (spec handshake 6)', () => {
  it('asks for a cookie, and lets in who brings it', () => {
    const pair = new SessionPair();
    floodUntilLoaded(pair);
    pair.connect();
    expect(pair.takeSent()).toEqual(['0 a initiation', '0 b cookie-reply']);
    expect(pair.b.drops).toEqual(['cookie-required']);
    expect(pair.a.peer.sendableKeypairId(0)).toBeUndefined();
    // The load goes on: the next copy brings the cookie (spec session 5.7).
    pair.runUntil(500);
    expect(pair.takeSent().map((line) => line.split(' ')[2])).toEqual([
      'initiation',
      'response',
      'keepalive',
    ]);
    expect(pair.a.peer.sendableKeypairId(pair.now)).toBeDefined();
  });

  it('is over a second after the flood', () => {
    const pair = new SessionPair();
    floodUntilLoaded(pair);
    pair.now = 2_100;
    pair.connect();
    expect(pair.a.peer.sendableKeypairId(pair.now)).toBeDefined();
  });

  it('does not answer a wrong mac1', () => {
    const pair = new SessionPair();
    floodUntilLoaded(pair);
    const [message] = strangers(pair.b.core.publicKey, 1) as [Uint8Array];
    message[120] = (message[120] as number) ^ 1;
    pair.receive(pair.b, message, pair.a.address);
    expect(pair.b.drops).toEqual(['wrong-mac1']);
    pair.exchange();
    expect(pair.sent).toEqual([]);
  });

  it('makes no more cookie replies than MAX_QUEUED_COOKIE_REPLIES between two polls', () => {
    const pair = new SessionPair();
    floodUntilLoaded(pair);
    const [message] = strangers(pair.b.core.publicKey, 1) as [Uint8Array];
    for (let i = 0; i < 300; i++) pair.receive(pair.b, message.slice(), pair.a.address);
    pair.deliver = () => false;
    pair.exchange();
    expect(pair.sent).toHaveLength(128);
    // No amplification: the reply is smaller than what asked for it.
    for (const { bytes } of pair.sent) expect(bytes).toHaveLength(64);
  });

  it('takes a cookie reply once, and none for a message that was not sent', () => {
    const pair = new SessionPair();
    floodUntilLoaded(pair);
    pair.connect();
    const reply = pair.sent.find(({ name }) => name === 'cookie-reply')?.bytes as Uint8Array;
    pair.receive(pair.a, reply.slice(), pair.b.address);
    expect(pair.a.drops).toEqual(['unexpected-handshake']);
    const other = reply.slice();
    other[4] = (other[4] as number) ^ 1;
    pair.receive(pair.a, other, pair.b.address);
    expect(pair.a.drops).toEqual(['unexpected-handshake', 'unknown-index']);
  });
});
