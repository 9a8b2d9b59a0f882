import { type Address, RoamingPath, WireGuard } from '@underpass/protocol';
import { describe, expect, it, vi } from 'vitest';
import {
  COOKIE_REPLIES_PER_WINDOW,
  RATE_LIMIT_BURST,
  UNDER_LOAD_HANDSHAKES_PER_SECOND,
} from '../../src/wireguard/constants.js';
import { CookieJar } from '../../src/wireguard/cookie.js';
import { mac1Key, writeMacs } from '../../src/wireguard/mac.js';
import { countingRandom, SessionPair, SUITE } from './session-pair.js';

/** Messages 1 with a valid mac1, each from a different key that the target does not know. */
function strangers(target: Uint8Array, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const core = new WireGuard({
      privateKey: countingRandom(1000 + i)(32),
      suite: SUITE,
      random: countingRandom(2000 + i),
      unixTimeMs: () => 1_700_000_000_000,
    });
    const peer = core.addPeer(
      { publicKey: target, path: new RoamingPath({ address: '192.0.2.2', port: 2 }) },
      () => undefined,
    );
    peer.requestHandshake(0);
    const message = new Uint8Array(148);
    core.pollMessage(0, message);
    return message;
  });
}

/** Brings side B to the point where the next handshake message puts it under load. */
function floodUntilLoaded(pair: SessionPair): void {
  const [message] = strangers(pair.b.core.publicKey, 1) as [Uint8Array];
  for (let i = 0; i < UNDER_LOAD_HANDSHAKES_PER_SECOND; i++) {
    const from: Address = { address: `203.0.113.${i}`, port: 5 };
    expect(pair.receive(pair.b, message.slice(), from)).toEqual({ kind: 'dropped', reason: 'unknown-peer' });
  }
  pair.b.drops.length = 0;
}

describe('under load (spec handshake 6)', () => {
  it('asks for a cookie, and accepts the initiator that returns it', () => {
    const pair = new SessionPair();
    floodUntilLoaded(pair);
    pair.connect();
    expect(pair.takeSent()).toEqual(['0 a initiation', '0 b cookie-reply']);
    expect(pair.b.drops).toEqual(['cookie-required']);
    expect(pair.a.peer.sendableKeypairId(0)).toBeUndefined();
    // B is still under load. The next copy of the initiation carries the cookie's mac2 (spec session 5.7).
    pair.runUntil(500);
    expect(pair.takeSent().map((line) => line.split(' ')[2])).toEqual([
      'initiation',
      'response',
      'keepalive',
    ]);
    expect(pair.a.peer.sendableKeypairId(pair.now)).toBeDefined();
  });

  it('does not count a copy of an old response, and computes nothing for it (spec handshake 3.1)', () => {
    const mac = vi.fn(SUITE.mac);
    const pair = new SessionPair({ suite: { ...SUITE, mac } });
    pair.connect();
    const response = pair.sent.find(({ name }) => name === 'response')?.bytes as Uint8Array;
    mac.mockClear();
    for (let i = 0; i <= UNDER_LOAD_HANDSHAKES_PER_SECOND; i++) {
      const answer = pair.receive(pair.a, response.slice(), pair.b.address);
      expect(answer).toEqual({ kind: 'dropped', reason: 'unexpected-handshake' });
    }
    expect(mac).not.toHaveBeenCalled();
  });

  it('ends a second after the flood', () => {
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

  it('answers at once, with a limited number of cookie replies, and leaves nothing to poll (spec handshake 5.3)', () => {
    const pair = new SessionPair();
    floodUntilLoaded(pair);
    const [message] = strangers(pair.b.core.publicKey, 1) as [Uint8Array];
    pair.deliver = () => false;
    for (let i = 0; i < 300; i++)
      pair.receive(pair.b, message.slice(), { address: '203.0.113.9', port: i + 1 });
    expect(pair.sent).toHaveLength(COOKIE_REPLIES_PER_WINDOW);
    // There is no amplification: a reply is smaller than the message that it answers.
    for (const { bytes } of pair.sent) expect(bytes).toHaveLength(64);
    expect(pair.b.core.pollMessage(0, new Uint8Array(148))).toBeUndefined();
  });

  it('drops a response that no handshake waits for, and does not count it as load (spec handshake 3.1)', () => {
    const pair = new SessionPair();
    const [message] = strangers(pair.b.core.publicKey, 1) as [Uint8Array];
    const response = message.slice(0, 92);
    response[0] = 2;
    for (let i = 0; i < 2 * UNDER_LOAD_HANDSHAKES_PER_SECOND; i++) {
      pair.receive(pair.b, response.slice(), pair.a.address);
    }
    expect(new Set(pair.b.drops)).toEqual(new Set(['unknown-index']));
    pair.connect();
    expect(pair.a.peer.sendableKeypairId(0)).toBeDefined();
  });

  it('accepts a copy of a response whose mac2 answers the cookie reply to the first (spec session 5.7)', () => {
    const pair = new SessionPair();
    pair.connect();
    pair.takeSent();
    pair.now = 130_000;
    // The initiator is under load itself, so it asks the responder for a cookie.
    const [message] = strangers(pair.a.core.publicKey, 1) as [Uint8Array];
    for (let i = 0; i <= UNDER_LOAD_HANDSHAKES_PER_SECOND; i++) {
      pair.receive(pair.a, message.slice(), { address: `203.0.113.${i}`, port: 5 });
    }
    pair.takeSent();
    pair.connect();
    expect(pair.takeSent()).toEqual(['130000 a initiation', '130000 b response', '130000 a cookie-reply']);
    pair.runUntil(130_300);
    expect(pair.takeSent()).toEqual(['130300 b response', '130300 a keepalive']);
    expect(pair.a.drops.at(-1)).toBe('cookie-required');
  });

  it('drops messages of a sender that has a cookie but sends too often (spec handshake 6.3)', () => {
    const pair = new SessionPair();
    floodUntilLoaded(pair);
    const { publicKey } = pair.b.core;
    const from: Address = { address: '198.51.100.7', port: 7 };
    const [message] = strangers(publicKey, 1) as [Uint8Array];
    const jar = new CookieJar(SUITE, publicKey);
    jar.noteSent(message);
    const { answer } = pair.receive(pair.b, message, from) as { answer: Uint8Array };
    expect(jar.handleReply(0, answer)).toBeUndefined();
    writeMacs(SUITE, mac1Key(SUITE, publicKey), jar.cookie(0), message);
    pair.b.drops.length = 0;
    for (let i = 0; i < RATE_LIMIT_BURST + 2; i++) pair.receive(pair.b, message, from);
    const proven = new Array(RATE_LIMIT_BURST).fill('unknown-peer');
    expect(pair.b.drops).toEqual([...proven, 'rate-limited', 'rate-limited']);
  });

  it('accepts a cookie reply once, and none for an index that we did not draw (spec handshake 5.4)', () => {
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
