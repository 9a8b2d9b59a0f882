/** Packets that are filled to the last byte with control frames. A frame that does not fit is sent in the next packet
 *  (spec streams 2). */
import { describe, expect, it } from 'vitest';
import { StreamErrorCode } from '../../src/failure.js';
import { FrameType } from '../../src/transport/wire/frames.js';
import {
  ack,
  challenge,
  data,
  type Frame,
  fill,
  HostilePeer,
  maxStreamData,
  ping,
} from '../attacks/hostile-peer.js';

const STREAMS = 60;
/** Sizes of packets. The smallest datagram that may carry one has 64 bytes, which leaves 32. */
const SIZES = Array.from({ length: 20 }, (_, i) => 32 + 16 * i);

const count = (frames: readonly Frame[], type: number) =>
  frames.filter((frame) => frame.type === type).length;

/** A peer whose victim has had its HELLO acknowledged, so that its packets no longer start with one. */
function confirmed(): HostilePeer {
  const peer = new HostilePeer();
  peer.say(ping);
  peer.listen();
  for (const number of peer.received) peer.say(ack(number, number));
  return peer;
}

/** Makes all control frames of a connection due at the same time. */
function everythingDue(peer: HostilePeer): void {
  for (let n = 0; n < STREAMS; n++) peer.say(data(2 * n, 0, 100));
  for (const stream of peer.opened) {
    stream.reset(StreamErrorCode.cancelled);
    stream.stopSending(StreamErrorCode.cancelled);
  }
  for (let n = 0; n < 3; n++) peer.say(challenge(n));
  peer.victim.challenge(new Uint8Array(8));
}

describe('packets full of control frames', () => {
  it.each(SIZES)('of %i bytes lose no frame and never exceed their size', (size) => {
    const peer = confirmed();
    everythingDue(peer);
    const frames: Frame[] = [];
    for (let round = 0; round < 400; round++) {
      const from = peer.received.length;
      frames.push(...peer.listen(size).flat());
      for (const number of peer.received.slice(from)) peer.say(ack(number, number));
      peer.now++;
      peer.victim.handleTimeout(peer.now);
    }
    expect(count(frames, FrameType.resetStream)).toBe(STREAMS);
    expect(count(frames, FrameType.stopSending)).toBe(STREAMS);
    expect(count(frames, FrameType.pathResponse)).toBe(3);
    expect(count(frames, FrameType.pathChallenge)).toBe(1);
  });

  it.each(SIZES)('of %i bytes keep a byte for PING, however long the ACK is (spec recovery 4)', (size) => {
    const peer = confirmed();
    peer.open().write(new Uint8Array(10));
    peer.listen();
    // The victim has to acknowledge many ranges, and gets no acknowledgement itself, so it sends probes.
    for (let n = 0; n < 40; n++) {
      peer.skip();
      peer.say(ping);
    }
    const probes = Array.from({ length: 4 }, () => {
      peer.now = peer.victim.pollTimeout()?.at ?? peer.now;
      peer.victim.handleTimeout(peer.now);
      return peer.listen(size);
    }).flat();
    expect(probes.length).toBeGreaterThanOrEqual(4);
    expect(probes.length).toBeLessThan(20);
    expect(peer.victim.parts.recovery.probesDue).toBe(0);
  });

  it('leave DATA_BLOCKED to a later packet if they have no room for it, whatever their size', () => {
    for (let size = 160; size < 1168; size += 112) {
      const peer = confirmed();
      const streams = Array.from({ length: 8 }, () => peer.open());
      for (const stream of streams) peer.say(maxStreamData(stream.id, 256 * 1024));
      const { credit } = peer.victim.parts.streams;
      let told = 0;
      for (let round = 0; round < 1000 && (credit.available > 0 || round % 2 === 1); round++) {
        for (const stream of streams) fill(stream);
        const from = peer.received.length;
        told += count(peer.listen(size).flat(), FrameType.dataBlocked);
        for (const number of peer.received.slice(from)) peer.say(ack(number, number));
        peer.now++;
        peer.victim.handleTimeout(peer.now);
      }
      expect(credit.available).toBe(0);
      expect(credit.blockedSentFor === 1 << 20).toBe(told === 1);
    }
  });
});

/** A victim that holds three ranges, all of them acknowledged before, and one new packet to acknowledge in 25 ms. */
function withAckToCome(): HostilePeer {
  const peer = confirmed();
  for (let n = 0; n < 2; n++) {
    peer.skip();
    peer.say(ping);
  }
  peer.wait(100);
  for (const number of peer.received) peer.say(ack(number, number));
  peer.listen();
  for (let n = 0; n < 2; n++) {
    peer.skip();
    peer.say(ping);
  }
  peer.listen();
  peer.say(ping);
  return peer;
}

/** spec recovery 1.1: "nothing but an ACK" */
describe('an ACK that is not due yet', () => {
  it.each([16, 32, 48, 64])('never goes alone, although data waits, in a packet of %i bytes', (size) => {
    const peer = withAckToCome();
    peer.open().write(new Uint8Array(1000));
    const packets = peer.listen(size);
    for (const frames of packets) expect(frames.some(({ type }) => type !== FrameType.ack)).toBe(true);
    peer.now += 25;
    const later = [...packets, ...peer.listen(size)];
    expect(later.flat().filter(({ type }) => type === FrameType.ack)).toHaveLength(1);
  });

  it('leaves its room to data that would not fit behind it', () => {
    const peer = withAckToCome();
    peer.open().write(new Uint8Array(20));
    const types = peer.listen(32).map((frames) => frames.map(({ type }) => type));
    expect(types).toEqual([[FrameType.stream, FrameType.maxStreamData]]);
    expect(peer.victim.parts.received.pollTimeout()?.at).toBe(peer.now + 25);
  });

  it('does not go in place of a message that has become too old', () => {
    const peer = withAckToCome();
    const stream = peer.open();
    stream.write(new Uint8Array(10));
    peer.listen();
    peer.wait(300);
    peer.acknowledge(peer.received);
    peer.listen();
    stream.sendDatagram(peer.now, new Uint8Array(100));
    peer.now += 2000;
    peer.say(ping);
    expect(peer.listen()).toEqual([]);
  });
});

describe('a HELLO that was requested', () => {
  it('is sent once, although one was acknowledged under this keypair (spec streams 3.3)', () => {
    const peer = confirmed();
    expect(peer.victim.isHelloConfirmed(1)).toBe(true);
    peer.victim.requestHello();
    expect(peer.victim.isHelloConfirmed(1)).toBe(false);
    const frames = peer.listen().flat();
    expect(count(frames, FrameType.hello)).toBe(1);
    for (const number of peer.received) peer.say(ack(number, number));
    expect(peer.victim.isHelloConfirmed(1)).toBe(true);
    expect(count(peer.listen().flat(), FrameType.hello)).toBe(0);
  });
});
