/** Control frames: what is sent again when a packet is lost, and what a sender says when it is blocked (spec streams 2). */
import { describe, expect, it } from 'vitest';
import { StreamErrorCode } from '../../src/failure.js';
import type { Stream } from '../../src/transport/streams/stream.js';
import { FrameType } from '../../src/transport/wire/frames.js';
import {
  ack,
  challenge,
  data,
  type Frame,
  fill,
  HostilePeer,
  maxStreamData,
} from '../attacks/hostile-peer.js';

const KIB = 1024;

/** A peer whose victim has had its HELLO acknowledged. */
function confirmed(): HostilePeer {
  const peer = new HostilePeer({ connectionWindowBytes: 2 * KIB * KIB });
  // The victim's own stream gives it something to send at any time.
  peer.open().write(new Uint8Array(1));
  peer.listen();
  for (const number of peer.received) peer.say(ack(number, number));
  return peer;
}

const ofType = (packets: readonly Frame[][], type: number) =>
  packets.flat().filter((frame) => frame.type === type);

/** The packets that the victim sends now, and their numbers. */
function take(peer: HostilePeer): { readonly packets: Frame[][]; readonly numbers: number[] } {
  const from = peer.received.length;
  const packets = peer.listen();
  return { packets, numbers: peer.received.slice(from) };
}

/** Acknowledges only packets that the victim sends after those it has sent so far, so that these count as lost.
 *  @returns the frames that it sends then */
function loseAll(peer: HostilePeer): Frame[][] {
  const stream = peer.open();
  const later: number[] = [];
  for (let i = 0; i < 4; i++) {
    stream.write(new Uint8Array(1));
    later.push(...take(peer).numbers);
  }
  const again: Frame[][] = [];
  peer.acknowledge(later);
  again.push(...peer.listen(), ...peer.wait(2000));
  return again;
}

/** A stream of the peer whose application reads what has arrived. */
function readAll(peer: HostilePeer): void {
  for (const stream of peer.opened) while (stream.read() !== undefined);
}

interface Case {
  readonly name: string;
  readonly type: FrameType;
  /** Makes the frame due. @returns the stream that it names, if it names one */
  readonly cause: (peer: HostilePeer) => Stream | undefined;
  readonly isRepeated: boolean;
}

const CASES: readonly Case[] = [
  {
    name: 'RESET_STREAM',
    type: FrameType.resetStream,
    cause: (peer) => {
      peer.say(data(0, 0, 10));
      const [stream] = peer.opened as [Stream];
      stream.write(new Uint8Array(3));
      peer.listen();
      stream.reset(StreamErrorCode.refused);
      return stream;
    },
    isRepeated: true,
  },
  {
    name: 'STOP_SENDING',
    type: FrameType.stopSending,
    cause: (peer) => {
      peer.say(data(0, 0, 10));
      const [stream] = peer.opened as [Stream];
      stream.stopSending(StreamErrorCode.refused);
      return stream;
    },
    isRepeated: true,
  },
  {
    name: 'MAX_STREAM_DATA',
    type: FrameType.maxStreamData,
    cause: (peer) => {
      for (let i = 0; i < 16; i++) peer.say(data(0, i * KIB, KIB));
      readAll(peer);
      return peer.opened[0];
    },
    isRepeated: true,
  },
  {
    name: 'MAX_DATA',
    type: FrameType.maxData,
    cause: (peer) => {
      for (let n = 0; n < 100; n++) {
        for (let i = 0; i < 16; i++) peer.say(data(2 * n, i * KIB, KIB));
        readAll(peer);
      }
      return undefined;
    },
    isRepeated: true,
  },
  {
    name: 'MAX_STREAMS',
    type: FrameType.maxStreams,
    cause: (peer) => {
      for (let n = 0; n < 60; n++) {
        peer.say(data(2 * n, 0, 1, true));
        readAll(peer);
        peer.opened[n]?.write(new Uint8Array(1));
        peer.opened[n]?.finish();
      }
      peer.acknowledge(take(peer).numbers);
      return undefined;
    },
    isRepeated: true,
  },
  {
    name: 'PATH_RESPONSE',
    type: FrameType.pathResponse,
    cause: (peer) => {
      peer.say(challenge(1));
      return undefined;
    },
    isRepeated: false,
  },
];

// spec streams 2: the column "when lost"
describe('a frame in a packet that is lost', () => {
  it.each(CASES)('is sent again if the table says so: $name, $isRepeated', ({ type, cause, isRepeated }) => {
    const peer = confirmed();
    const stream = cause(peer);
    const first = ofType(peer.listen(), type).map(({ id, limit }) => `${id} ${limit}`);
    const again = ofType(loseAll(peer), type).map(({ id, limit }) => `${id} ${limit}`);
    expect(first).toHaveLength(1);
    if (stream !== undefined) expect(first[0]).toMatch(new RegExp(`^${stream.id} `));
    expect([...new Set(again)]).toEqual(isRepeated ? first : []);
  });
});

describe('a sender that is blocked', () => {
  it('says so once for each limit of the stream', () => {
    const peer = confirmed();
    const stream = peer.open();
    for (const limit of [16 * KIB, 40 * KIB, 41 * KIB]) {
      peer.say(maxStreamData(stream.id, limit));
      const blocked: Frame[] = [];
      for (let i = 0; i < 20; i++) {
        fill(stream);
        const { packets, numbers } = take(peer);
        blocked.push(...ofType(packets, FrameType.streamDataBlocked));
        peer.acknowledge(numbers);
        peer.now += 20;
        peer.victim.handleTimeout(peer.now);
      }
      expect(blocked).toMatchObject([{ id: stream.id, limit }]);
    }
  });
});
