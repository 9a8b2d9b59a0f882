/** The effect of each frame of a packet, and how the packet is counted (spec streams 1, 2). */
import { describe, expect, it } from 'vitest';
import { ConnectionErrorCode } from '../../src/failure.js';
import { DEFAULT_TRANSPORT } from '../../src/transport/config.js';
import { MAX_FRAMES_PER_PACKET, MAX_REASSEMBLY_PIECES } from '../../src/transport/limits.js';
import { OwnHello } from '../../src/transport/own-hello.js';
import { PacketFate } from '../../src/transport/packet-fate.js';
import { PacketHandler } from '../../src/transport/packet-handler.js';
import { composeParts } from '../../src/transport/parts.js';
import { PathFeedback } from '../../src/transport/path-feedback.js';
import { PeerBudgets } from '../../src/transport/peer-budgets.js';
import { PacketKind } from '../../src/transport/recovery/packet-log.js';
import { SendGate } from '../../src/transport/send-gate.js';
import type { ConnectionStream } from '../../src/transport/streams/stream.js';
import { FrameReader } from '../../src/transport/wire/frame-reader.js';
import { encodeHello, FrameType, writeClose, writePath } from '../../src/transport/wire/frames.js';
import {
  ack,
  challenge,
  data,
  datagram,
  maxData,
  maxStreamData,
  ping,
  reset,
  stop,
} from '../attacks/hostile-peer.js';

const NOW = 1_000;

/** The relay's side of a connection, and what a packet of the client does to it. */
function setUp() {
  const budgets = new PeerBudgets();
  const random = (length: number) => new Uint8Array(length);
  const parts = composeParts('relay', DEFAULT_TRANSPORT, random, budgets, () => {});
  const fate = new PacketFate(parts, new OwnHello(), new PathFeedback(parts, new SendGate(parts)));
  const handler = new PacketHandler(parts, fate, budgets);
  let effects = 0;
  let idle = 0;
  budgets.idlePackets.give = () => effects++;
  const { take } = budgets.idlePackets;
  budgets.idlePackets.take = (now) => {
    idle++;
    return take.call(budgets.idlePackets, now);
  };
  let next = 0;
  const receive = (frames: readonly Uint8Array[], packetNumber = next++) => {
    const bytes = Uint8Array.from(frames.flatMap((frame) => [...frame]));
    const reader = new FrameReader();
    reader.begin(bytes, 0, bytes.length);
    return handler.handle(NOW, packetNumber, reader);
  };
  /** Whether a packet counts as one with an effect. */
  const hasEffect = (...frames: Uint8Array[]): boolean => {
    effects = 0;
    idle = 0;
    expect(receive(frames)).toBeUndefined();
    expect(effects + idle).toBe(1);
    return effects === 1;
  };
  const send = () => parts.recovery.onPacketSent(NOW - 100, 1200, PacketKind.ackEliciting);
  return { parts, handler, receive, hasEffect, send };
}

type World = ReturnType<typeof setUp>;

function helloFrame(role: 'client' | 'relay' = 'client', version = 1): Uint8Array {
  return encodeHello({
    version,
    epoch: new Uint8Array(8).fill(1),
    expectedEpoch: new Uint8Array(8),
    role,
    maxData: 2 ** 22,
    maxStreamData: 2 ** 16,
    maxStreams: 200,
    maxDatagramBytes: 1300,
    softwareName: 'test',
  });
}
const maxStreams = (maximum: number) =>
  Uint8Array.of(FrameType.maxStreams, 0x40 | (maximum >> 8), maximum & 0xff);
function pathResponse(byte: number): Uint8Array {
  const frame = new Uint8Array(9);
  writePath(frame, 0, FrameType.pathResponse, new Uint8Array(8).fill(byte));
  return frame;
}

describe('a packet with an effect (spec streams 2.5)', () => {
  it.each<[string, Uint8Array, (world: World) => unknown]>([
    ['new bytes of a stream', data(0, 0, 10), () => undefined],
    ['the end of a stream', data(0, 0, 0, true), () => undefined],
    ['a higher limit on all bytes', maxData(2 ** 22), () => undefined],
    ['a higher limit on streams', maxStreams(300), () => undefined],
    ['a reset', reset(0), () => undefined],
    ['STOP_SENDING', stop(0), () => undefined],
    ['an acknowledgement', ack(0, 0), ({ send }) => send()],
    ['a HELLO', helloFrame(), () => undefined],
  ])('is one with %s, and a copy of it is none', (_what, frame, prepare) => {
    const world = setUp();
    prepare(world);
    expect([world.hasEffect(frame), world.hasEffect(frame)]).toEqual([true, false]);
  });

  it('is one with a higher limit on a stream, or with a message for an open one', () => {
    const { hasEffect } = setUp();
    hasEffect(data(0, 0, 1));
    expect([hasEffect(maxStreamData(0, 2 ** 20)), hasEffect(maxStreamData(0, 2 ** 20))]).toEqual([
      true,
      false,
    ]);
    expect(hasEffect(datagram(0, 10))).toBe(true);
  });

  it.each([
    ['PING', ping],
    ['PATH_CHALLENGE', challenge(1)],
    ['PATH_RESPONSE', pathResponse(1)],
    ['a message for a stream that is not open', datagram(0, 10)],
  ])('is none with %s', (_what, frame) => {
    expect(setUp().hasEffect(frame)).toBe(false);
  });

  it('is one with an acknowledgement of a packet that was declared lost', () => {
    const { hasEffect, send } = setUp();
    for (let i = 0; i < 4; i++) send();
    expect(hasEffect(ack(3, 3))).toBe(true);
    expect(hasEffect(ack(0, 0))).toBe(true);
    expect(hasEffect(ack(0, 0))).toBe(false);
  });
});

describe('a packet that was processed', () => {
  it('is recorded, so that a copy is dropped, and is acknowledged if it asks for that', () => {
    const { parts, receive } = setUp();
    expect(receive([ack(0, 0).subarray(0, 0)], 5)).toBeUndefined();
    expect([parts.received.largest, parts.received.isAckDue(NOW + 100)]).toEqual([5, false]);
    expect(receive([ping], 6)).toBeUndefined();
    expect(parts.received.isAckDue(NOW + 100)).toBe(true);
    expect(receive([data(0, 0, 10)], 6)).toEqual({ dropped: 'duplicate-packet' });
    expect(parts.streams.openStreams).toBe(0);
  });

  it('is not recorded if one of its frames has to come again (spec streams 4.6: "without acknowledging it")', () => {
    const { parts, receive } = setUp();
    for (let i = 0; i < MAX_REASSEMBLY_PIECES; i++) receive([data(0, 2 * i + 2, 1)]);
    const { largest } = parts.received;
    for (let i = 0; i < 2; i++) {
      expect(receive([data(0, 10_000, 1)], 5_000)).toEqual({ dropped: 'reassembly-full' });
    }
    expect(parts.received.largest).toBe(largest);
    receive([data(0, 3, 1)]);
    expect(receive([data(0, 10_000, 1)], 5_000)).toBeUndefined();
  });

  it('passes each frame on', () => {
    const { parts, handler, receive } = setUp();
    receive([helloFrame(), data(0, 0, 10), maxStreamData(0, 2 ** 17), maxData(2 ** 23), maxStreams(300)]);
    expect(handler.peerHello?.softwareName).toBe('test');
    const [stream] = [...parts.streams] as [ConnectionStream];
    expect([stream.sending.limit, parts.streams.credit.available]).toEqual([2 ** 17, 2 ** 23]);
    receive([stop(0), challenge(7), pathResponse(8)]);
    expect(stream.sending.isReset).toBe(true);
    expect(parts.pending.nextResponse).toEqual(new Uint8Array(8).fill(7));
    expect([handler.takePathResponse(), handler.takePathResponse()]).toEqual([
      new Uint8Array(8).fill(8),
      undefined,
    ]);
    receive([reset(0, 10)]);
    expect(stream.receiving.isOver).toBe(true);
  });

  it('takes the limits of the first HELLO of a run alone', () => {
    const { parts, handler, receive } = setUp();
    const other = encodeHello({
      version: 1,
      epoch: new Uint8Array(8).fill(1),
      expectedEpoch: new Uint8Array(8),
      role: 'client',
      maxData: 2 ** 30,
      maxStreamData: 2 ** 20,
      maxStreams: 900,
      maxDatagramBytes: 1400,
      softwareName: 'other',
    });
    receive([helloFrame()]);
    receive([other]);
    expect(handler.peerHello?.softwareName).toBe('test');
    expect(parts.streams.credit.available).toBe(2 ** 22);
  });
});

describe('a packet that breaks a rule', () => {
  const violation = (reason: string) => ({ failed: { code: ConnectionErrorCode.protocolViolation, reason } });
  const pings = (count: number) => Array.from({ length: count }, () => ping);

  it('may have 512 frames and no more (spec streams 2.3)', () => {
    expect(setUp().receive(pings(MAX_FRAMES_PER_PACKET))).toBeUndefined();
    expect(setUp().receive(pings(MAX_FRAMES_PER_PACKET + 1))).toEqual(violation('too many frames'));
  });

  it('may have one ACK, and a HELLO only as its first frame (spec streams 2.3)', () => {
    const world = setUp();
    world.send();
    expect(world.receive([ack(0, 0), ack(0, 0)])).toEqual(violation('more than one ACK in a packet'));
    expect(setUp().receive([ping, helloFrame()])).toEqual(violation('HELLO behind another frame'));
  });

  it('ends the connection with a HELLO of our own role or another version (spec streams 3.1)', () => {
    expect(setUp().receive([helloFrame('relay')])).toEqual(violation('both sides are a relay'));
    expect(setUp().receive([helloFrame('client', 2)])).toEqual({
      failed: { code: ConnectionErrorCode.version, reason: 'version 1 is spoken here' },
    });
  });

  it('is not recorded, and what stands behind the frame that broke the rule has no effect', () => {
    const { parts, receive } = setUp();
    expect(receive([ack(0, 5), data(0, 0, 10)])).toEqual(violation('ACK of a packet never sent'));
    expect([parts.received.largest, parts.streams.openStreams]).toEqual([-1, 0]);
  });
});

it('CLOSE says why the peer ends the connection, and nothing behind it counts', () => {
  const { parts, receive } = setUp();
  const close = new Uint8Array(20);
  const end = writeClose(close, 0, 3, Uint8Array.of(0x62, 0x79, 0x65));
  expect(receive([close.subarray(0, end), data(0, 0, 10)])).toEqual({
    closedByPeer: { code: 3, reason: 'bye' },
  });
  expect(parts.streams.openStreams).toBe(0);
});
