import { describe, expect, it } from 'vitest';
import { ConnectionErrorCode } from '../../src/failure.js';
import { ack, HostilePeer, maxStreamData, ping } from './hostile-peer.js';

const { frameEncoding, protocolViolation } = ConnectionErrorCode;

/** More rounds than any limit allows, so that a limit that does not hold fails a test instead of hanging it. */
const MAX_TRIES = 100_000;

describe('a peer that lies about what arrived', () => {
  it('is found out by a skipped number when it acknowledges packets too early (spec streams 2.2)', () => {
    const peer = new HostilePeer();
    const stream = peer.open();
    peer.say(maxStreamData(stream.id, 2 ** 40));
    let code: ReturnType<HostilePeer['say']>;
    for (let round = 0; code === undefined && round < 100; round++) {
      stream.write(new Uint8Array(1 << 20));
      peer.wait(1);
      const last = peer.received.at(-1) ?? 0;
      code = peer.say(ack(0, last));
    }
    expect(code).toBe(protocolViolation);
    // By then we have sent no more than in the first round trips of an honest peer.
    expect(peer.received.length).toBeLessThan(1000);
  });

  it('is found out when it acknowledges a packet that was never sent (spec streams 2.2)', () => {
    expect(new HostilePeer().say(ack(0, 0))).toBe(protocolViolation);
    expect(new HostilePeer().say(ack(2 ** 52, 2 ** 53 - 1))).toBe(protocolViolation);
  });

  it('cannot make us loop over a range of 2^53 numbers (spec streams 2.2)', () => {
    const peer = new HostilePeer();
    peer.open().write(new Uint8Array(100));
    peer.listen();
    const below = ack(0, 0);
    const huge = Uint8Array.of(
      ...below.subarray(0, below.length - 1),
      0xc0,
      0x1f,
      255,
      255,
      255,
      255,
      255,
      255,
    );
    expect(peer.say(huge)).toBe(frameEncoding);
  });

  it('may not state more ranges than a frame can have (spec streams 2.2)', () => {
    const peer = new HostilePeer();
    const pairs = new Array(2 * 257).fill(0);
    expect(peer.say(ack(2000, 2000, pairs))).toBe(frameEncoding);
  });

  it('may not fill a packet with ACK frames (spec streams 2.3)', () => {
    const peer = new HostilePeer();
    peer.open().write(new Uint8Array(100));
    peer.listen();
    expect(peer.say(ack(0, 0), ack(0, 0))).toBe(protocolViolation);
  });

  it('may not acknowledge the same packets forever (spec streams 2.5: "when the count reaches 16,384")', () => {
    const peer = new HostilePeer();
    peer.open().write(new Uint8Array(100));
    peer.listen();
    let packets = 0;
    while (packets < MAX_TRIES && peer.say(ack(0, 0)) === undefined) packets++;
    expect(packets).toBe(16_384 + 1); // The first one had an effect.
  });

  it('may not ping forever as fast as it can', () => {
    const peer = new HostilePeer();
    let packets = 0;
    while (packets < MAX_TRIES && peer.say(ping) === undefined) packets++;
    expect(packets).toBe(16_384);
  });

  it('may ping now and then for as long as it likes (spec streams 2.5)', () => {
    const peer = new HostilePeer();
    for (let i = 0; i < 50_000; i++) {
      peer.now += 50;
      expect(peer.say(ping)).toBeUndefined();
    }
  });
});
