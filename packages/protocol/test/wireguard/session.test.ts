import { describe, expect, it } from 'vitest';
import { SessionPair } from './session-pair.js';

const DATA = Uint8Array.of(1, 2, 3);
const ELSEWHERE = { address: '198.51.100.9', port: 9 };

function payloadStarts(payloads: readonly Uint8Array[]): number[][] {
  return payloads.map((payload) => [...payload.subarray(0, 3)]);
}

describe('a handshake', () => {
  it.each([
    ['without a preshared key', {}],
    ['with a preshared key', { presharedKey: new Uint8Array(32).fill(7) }],
  ])('%s gives keys that carry data both ways', (_name, options) => {
    const pair = new SessionPair(options);
    pair.connect();
    expect(pair.takeSent()).toEqual(['0 a initiation', '0 b response', '0 a keepalive']);
    expect(pair.send(pair.a, DATA)).toBe(true);
    expect(pair.send(pair.b, DATA)).toBe(true);
    expect(payloadStarts(pair.a.payloads)).toEqual([[1, 2, 3]]);
    expect(payloadStarts(pair.b.payloads)).toEqual([[1, 2, 3]]);
    expect(pair.a.peer.stats.handshakes).toBe(1);
    expect(pair.b.peer.stats.handshakes).toBe(1);
  });

  it('gives a responder that hears nothing more a time at which its keypair expires (spec session 8.1)', () => {
    const pair = new SessionPair();
    pair.deliver = ({ name }) => name === 'initiation';
    pair.now = 1_000;
    pair.connect();
    expect(pair.b.peer.view.timers).toContainEqual({ at: 181_000, reason: 'keypair-expiry' });
  });

  describe('whose response the initiator reads late', () => {
    /** A's machine sleeps while the response waits. */
    function readLate(atMs: number): SessionPair {
      const pair = new SessionPair();
      pair.deliver = ({ name }) => name === 'initiation';
      pair.now = 1_000;
      pair.connect();
      const response = pair.sent.find(({ name }) => name === 'response')?.bytes as Uint8Array;
      pair.now = atMs;
      pair.receive(pair.a, response.slice(), pair.b.address);
      return pair;
    }

    it('gives the initiator keys that are as old as its initiation (spec session 5.1)', () => {
      const pair = readLate(180_999);
      expect(pair.a.peer.sendableUntil(pair.now)).toBe(181_000);
      expect(pair.a.peer.view.timers).toContainEqual({ at: 181_000, reason: 'keypair-expiry' });
      expect(pair.a.peer.stats.handshakeRttMs).toBe(179_999);
    });

    // spec session 5.1: "MUST drop a response to an initiation that is 180 s old"
    it('gives it none after 180 s, and it goes on trying', () => {
      const pair = readLate(181_000);
      expect(pair.a.drops).toEqual(['unexpected-handshake']);
      expect(pair.a.peer.sendableKeypairId(pair.now)).toBeUndefined();
      pair.deliver = () => true;
      pair.a.core.handleTimeout(pair.now);
      pair.exchange();
      expect(pair.a.peer.sendableUntil(pair.now)).toBe(361_000);
    });
  });

  it('is not completed by a peer with another preshared key', () => {
    const one = new SessionPair({ presharedKey: new Uint8Array(32).fill(7) });
    const other = new SessionPair({ presharedKey: new Uint8Array(32).fill(8) });
    one.deliver = () => false;
    one.connect();
    const initiation = one.sent[0]?.bytes as Uint8Array;
    other.deliver = () => false;
    other.receive(other.b, initiation.slice(), other.a.address);
    other.exchange();
    const response = other.sent[0]?.bytes as Uint8Array;
    one.receive(one.a, response.slice(), one.b.address);
    expect(one.a.drops).toEqual(['handshake-failed']);
  });

  // spec wire 2.1: "MUST NOT answer a datagram that did not authenticate"
  it('gets no answer if the initiator is unknown', () => {
    const pair = new SessionPair();
    const stranger = new SessionPair({ presharedKey: new Uint8Array(32).fill(1) });
    stranger.deliver = () => false;
    stranger.connect();
    const initiation = stranger.sent[0]?.bytes as Uint8Array;
    pair.b.core.removePeer(pair.b.peer);
    pair.receive(pair.b, initiation.slice(), pair.a.address);
    expect(pair.b.drops).toEqual(['unknown-peer']);
    pair.exchange();
    expect(pair.sent).toEqual([]);
  });

  it('gives keys under which payloads are padded to 16 bytes, but not beyond the limit (spec session 6.5)', () => {
    const pair = new SessionPair();
    pair.connect();
    const buffer = new Uint8Array(200).fill(0xff);
    expect(pair.a.peer.seal(0, buffer, 0, 33)).toBe(32 + 48);
    pair.receive(pair.b, buffer.slice(0, 80), pair.a.address);
    expect(pair.b.payloads.at(-1)?.subarray(33)).toEqual(new Uint8Array(15));
    expect(pair.a.peer.seal(0, buffer, 0, 33, 40)).toBe(32 + 40);
    expect(pair.a.peer.seal(0, buffer, 0, 33, 33)).toBe(32 + 33);
  });

  it('is refused if its initiation is replayed later, from another address (spec handshake 3.3)', () => {
    const pair = new SessionPair();
    pair.connect();
    const initiation = pair.sent.find(({ name }) => name === 'initiation')?.bytes as Uint8Array;
    pair.now = 1000;
    pair.receive(pair.b, initiation.slice(), { address: '198.51.100.9', port: 9 });
    expect(pair.b.drops).toEqual(['replayed-handshake']);
    expect(pair.b.path.address).toEqual(pair.a.address);
  });

  it('succeeds after the clock of the initiator was set back (spec handshake 3.3)', () => {
    let clock = 1_700_000_000_000;
    const pair = new SessionPair({ unixTimeMs: () => clock });
    pair.connect();
    clock -= 3_600_000;
    pair.now = 6_000;
    pair.connect();
    expect(pair.b.drops).toEqual([]);
    expect(pair.b.peer.stats.handshakes).toBe(2);
  });

  it('is refused 20 ms after the one before, and accepted 21 ms after it (spec handshake 3.4)', () => {
    const pair = new SessionPair();
    pair.deliver = () => false;
    pair.connect();
    pair.runUntil(6_000);
    const first = pair.sent.at(0)?.bytes as Uint8Array;
    const second = pair.sent.at(-1)?.bytes as Uint8Array;
    pair.receive(pair.b, first.slice(), pair.a.address);
    pair.now += 20;
    pair.receive(pair.b, second.slice(), pair.a.address);
    expect(pair.b.drops).toEqual(['handshake-flood']);
    pair.now += 1;
    pair.receive(pair.b, second.slice(), pair.a.address);
    expect(pair.b.drops).toHaveLength(1);
  });

  it('that both sides start at once leaves both able to send (spec session 2.5)', () => {
    const pair = new SessionPair();
    pair.b.path.address = pair.a.address;
    const buffers = [pair.a, pair.b].map((side) => {
      side.peer.requestHandshake(0);
      const buffer = new Uint8Array(148);
      side.core.pollMessage(0, buffer);
      return buffer;
    }) as [Uint8Array, Uint8Array];
    pair.receive(pair.b, buffers[0], pair.a.address);
    pair.receive(pair.a, buffers[1], pair.b.address);
    pair.exchange();
    expect(pair.send(pair.a, DATA)).toBe(true);
    expect(pair.send(pair.b, DATA)).toBe(true);
    expect(pair.a.payloads).toHaveLength(1);
    expect(pair.b.payloads).toHaveLength(1);
    expect([...pair.a.drops, ...pair.b.drops]).toEqual([]);
  });
});

describe('crossing handshakes (spec session 2.2, 2.5)', () => {
  /** A connected pair in which both sides have initiated again, and neither initiation has been delivered. */
  function crossed() {
    const pair = new SessionPair();
    pair.connect();
    pair.send(pair.a, DATA);
    pair.now = 10_000;
    const initiations = [pair.a, pair.b].map((side) => {
      side.peer.requestHandshake(pair.now);
      const buffer = new Uint8Array(148);
      side.core.pollMessage(pair.now, buffer);
      return buffer;
    }) as [Uint8Array, Uint8Array];
    return { pair, initiations };
  }

  it('leave the keypair that was next usable for packets that arrive late', () => {
    const { pair, initiations } = crossed();
    // B responds to A, and A confirms the keypair. But A's packets under it are late.
    pair.receive(pair.b, initiations[0], pair.a.address);
    const response = new Uint8Array(148);
    const { length } = pair.b.core.pollMessage(pair.now, response) as { length: number };
    pair.receive(pair.a, response.slice(0, length), pair.b.address);
    const late = new Uint8Array(64);
    late.set(DATA, 16);
    const lateLength = pair.a.peer.seal(pair.now, late, 0, DATA.length);
    // B's own handshake completes first.
    pair.receive(pair.a, initiations[1], pair.b.address);
    const answer = new Uint8Array(148);
    const { length: answerLength } = pair.a.core.pollMessage(pair.now, answer) as { length: number };
    pair.receive(pair.b, answer.slice(0, answerLength), pair.a.address);
    const before = pair.b.payloads.length;
    expect(pair.receive(pair.b, late.slice(0, lateLength), pair.a.address).kind).toBe('payload');
    expect(pair.b.payloads).toHaveLength(before + 1);
    pair.exchange();
    expect(pair.send(pair.a, DATA)).toBe(true);
    expect(pair.send(pair.b, DATA)).toBe(true);
    expect([...pair.a.drops, ...pair.b.drops]).toEqual([]);
  });
});

describe('key confirmation (spec session 2.3, 2.4)', () => {
  it('lets the responder send under a keypair only after a packet under it', () => {
    const pair = new SessionPair();
    pair.deliver = ({ from, name }) => !(from === 'a' && name === 'transport');
    pair.connect();
    expect(pair.b.peer.sendableKeypairId(0)).toBeUndefined();
    pair.deliver = () => true;
    pair.send(pair.a, DATA);
    expect(pair.b.peer.sendableKeypairId(0)).toBeDefined();
  });

  it('lets the responder keep sending under the old keypair until then', () => {
    const pair = new SessionPair();
    pair.connect();
    const old = pair.b.peer.sendableKeypairId(0);
    pair.now = 10_000;
    pair.deliver = ({ from, name }) => !(from === 'a' && name === 'transport');
    pair.connect();
    expect(pair.b.peer.sendableKeypairId(pair.now)).toBe(old);
    pair.send(pair.b, DATA);
    expect(pair.a.payloads).toHaveLength(1);
    pair.deliver = () => true;
    pair.send(pair.a, DATA);
    expect(pair.b.peer.sendableKeypairId(pair.now)).toBeGreaterThan(old as number);
  });

  it('is done by data, without a keepalive, if there is data to send', () => {
    const pair = new SessionPair();
    const buffer = new Uint8Array(148);
    pair.a.peer.requestHandshake(0);
    pair.a.core.pollMessage(0, buffer);
    pair.receive(pair.b, buffer.slice(), pair.a.address);
    const response = new Uint8Array(148);
    const { length } = pair.b.core.pollMessage(0, response) as { length: number };
    pair.receive(pair.a, response.slice(0, length), pair.b.address);
    pair.a.peer.seal(0, new Uint8Array(64), 0, 3);
    expect(pair.a.core.pollMessage(0, buffer)).toBeUndefined();
  });
});

describe('a message that arrives', () => {
  it('is dropped if it arrives a second time (spec session 4)', () => {
    const pair = new SessionPair();
    pair.connect();
    pair.send(pair.a, DATA);
    const packet = pair.sent.at(-1)?.bytes as Uint8Array;
    pair.receive(pair.b, packet.slice(), ELSEWHERE);
    expect(pair.b.drops).toEqual(['replayed-counter']);
    expect(pair.b.path.address).toEqual(pair.a.address);
  });

  it('changes nothing if any bit of it was flipped (spec session 4)', () => {
    const pair = new SessionPair();
    pair.connect();
    pair.deliver = () => false;
    pair.send(pair.a, DATA);
    const packet = pair.sent.at(-1)?.bytes as Uint8Array;
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const flipped = packet.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(pair.receive(pair.b, flipped, ELSEWHERE).kind).toBe('dropped');
    }
    expect(pair.b.path.address).toEqual(pair.a.address);
    expect(pair.receive(pair.b, packet.slice(), pair.a.address).kind).toBe('payload');
  });

  it('moves the peer, even if it is a keepalive or a handshake message (spec session 7)', () => {
    const pair = new SessionPair();
    pair.connect();
    pair.a.address = { address: '198.51.100.7', port: 7 };
    pair.send(pair.a, DATA);
    expect(pair.b.path.address).toEqual(pair.a.address);
    pair.a.address = { address: '198.51.100.7', port: 8 };
    pair.send(pair.a, new Uint8Array(0));
    expect(pair.b.path.address).toEqual(pair.a.address);
    pair.a.address = { address: '2001:db8::1', port: 8 };
    pair.now = 6_000;
    pair.connect();
    expect(pair.b.path.address).toEqual(pair.a.address);
    pair.send(pair.b, DATA);
    expect(pair.sent.at(-1)?.to).toEqual(pair.a.address);
  });

  it('does not move the peer if a newer packet has overtaken it (spec session 7, path 1)', () => {
    const pair = new SessionPair();
    pair.connect();
    pair.deliver = () => false;
    pair.send(pair.a, DATA);
    const late = pair.sent.at(-1)?.bytes as Uint8Array;
    pair.deliver = () => true;
    pair.send(pair.a, DATA);
    expect(pair.receive(pair.b, late.slice(), ELSEWHERE).kind).toBe('payload');
    expect(pair.b.path.address).toEqual(pair.a.address);
  });

  it('does not move the peer if it is the newest packet of an earlier keypair (spec session 7, path 1)', () => {
    const pair = new SessionPair();
    pair.connect();
    pair.deliver = () => false;
    pair.send(pair.a, DATA);
    const late = pair.sent.at(-1)?.bytes as Uint8Array;
    pair.deliver = () => true;
    pair.now = 10_000;
    pair.connect();
    pair.send(pair.a, DATA);
    expect(pair.b.peer.stats.handshakes).toBe(2);
    expect(pair.receive(pair.b, late.slice(), ELSEWHERE).kind).toBe('payload');
    expect(pair.b.path.address).toEqual(pair.a.address);
  });

  // spec session 5.1: "MUST NOT be used in either direction"
  it('is refused under a keypair that is 180 s old', () => {
    const pair = new SessionPair();
    pair.connect();
    pair.deliver = () => false;
    pair.send(pair.a, DATA);
    const packet = pair.sent.at(-1)?.bytes as Uint8Array;
    pair.now = 180_000;
    pair.receive(pair.b, packet.slice(), pair.a.address);
    expect(pair.b.drops).toEqual(['expired-keypair']);
    expect(pair.a.peer.sendableKeypairId(179_999)).toBeDefined();
    expect(pair.a.peer.sendableKeypairId(180_000)).toBeUndefined();
  });
});
