import { describe, expect, it } from 'vitest';
import { ConnectionErrorCode, StreamErrorCode } from '../../src/failure.js';
import {
  GIVEN_UP_STREAMS_BURST,
  GIVEN_UP_STREAMS_PER_SECOND,
  INITIAL_MAX_STREAM_DATA_BYTES,
  MAX_IDLE_PACKETS,
  MAX_OPEN_STREAMS,
} from '../../src/transport/limits.js';
import { FrameType } from '../../src/transport/wire/frames.js';
import {
  ack,
  challenge,
  data,
  fill,
  HostilePeer,
  hello,
  maxData,
  maxStreamData,
  ping,
  reset,
  stop,
} from './hostile-peer.js';

const { protocolViolation, streamLimit } = ConnectionErrorCode;

/** More than any limit in these tests, so that a limit that does not hold fails a test instead of hanging it. */
const MAX_TRIES = 100_000;

/** Opens streams and gives them up as fast as the limit permits, and acknowledges everything that it receives.
 *  @returns how many streams it opened */
function giveUpStreams(peer: HostilePeer, seconds: number, giveUp: (id: number) => Uint8Array[]): number {
  let opened = 0;
  for (const end = peer.now + 1000 * seconds; peer.now < end; ) {
    for (const limit = Math.min(peer.limits, MAX_TRIES); opened < limit; ) {
      const id = 2 * opened++;
      expect(peer.say(data(id, 0, 1), ...giveUp(id))).toBeUndefined();
    }
    for (const stream of peer.opened) {
      stream.read();
      stream.reset(StreamErrorCode.cancelled);
    }
    peer.events.length = 0;
    const from = peer.received.length;
    peer.wait(1);
    for (const number of peer.received.slice(from)) peer.say(ack(number, number));
  }
  return opened;
}

describe('a peer that floods', () => {
  it('with streams gets no more than the limit, and lower ids count as opened (spec streams 5.4: "MUST NOT exceed the configured maximum"; spec streams 4.1)', () => {
    const peer = new HostilePeer();
    expect(peer.say(data(2 * (MAX_OPEN_STREAMS - 1), 0, 1))).toBeUndefined();
    expect(peer.victim.parts.streams.openStreams).toBe(MAX_OPEN_STREAMS);
    expect(peer.say(data(2 * MAX_OPEN_STREAMS, 0, 1))).toBe(streamLimit);
  });

  it.each([
    ['RESET_STREAM', (id: number) => [reset(id, 1), stop(id)]],
    ['STOP_SENDING and FIN', (id: number) => [stop(id), data(id, 1, 0, true)]],
  ])(
    'with streams that it gives up by %s gets their places back slowly (spec streams 5.4: "Exceeding it MUST NOT close the connection")',
    (_, giveUp) => {
      const opened = giveUpStreams(new HostilePeer(), 10, giveUp);
      const budget = GIVEN_UP_STREAMS_BURST + 10 * GIVEN_UP_STREAMS_PER_SECOND;
      expect(opened).toBeGreaterThan(MAX_OPEN_STREAMS + budget - 50);
      expect(opened).toBeLessThanOrEqual(MAX_OPEN_STREAMS + budget + 1);
    },
  );

  it('with streams that it gives up gets no new budget with a new epoch (spec streams 5.4: "a new connection MUST NOT renew it")', () => {
    const peer = new HostilePeer();
    const epochs = 8;
    let givenBack = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const opened = giveUpStreams(peer, 0.25, (id) => [reset(id, 1), stop(id)]);
      givenBack += opened - MAX_OPEN_STREAMS;
      peer.beginAgain();
    }
    expect(givenBack).toBeGreaterThan(GIVEN_UP_STREAMS_BURST);
    expect(givenBack).toBeLessThanOrEqual(GIVEN_UP_STREAMS_BURST + 2 * GIVEN_UP_STREAMS_PER_SECOND + epochs);
  });

  it('with packets that have no effect gets no new budget by closing in between (spec streams 2.5: "a new connection MUST NOT reset it")', () => {
    const peer = new HostilePeer();
    for (let n = 0; n < 10_000; n++) expect(peer.say(ping)).toBeUndefined();
    peer.beginAgain();
    let packets = 10_000;
    while (packets < MAX_TRIES && peer.say(ping) === undefined) packets++;
    expect(packets).toBe(MAX_IDLE_PACKETS);
  });

  it('is not slowed down if its streams end normally (spec streams 5.4)', () => {
    const peer = new HostilePeer();
    let opened = 0;
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 100; i++) {
        expect(peer.say(data(2 * opened++, 0, 1, true))).toBeUndefined();
      }
      for (const stream of peer.opened) {
        stream.read();
        stream.finish();
      }
      peer.events.length = 0;
      const from = peer.received.length;
      peer.wait(1);
      for (const number of peer.received.slice(from)) peer.say(ack(number, number));
    }
    expect(peer.limits).toBe(MAX_OPEN_STREAMS + opened);
  });

  it('is not slowed down if it resets streams that were answered (spec streams 5.4)', () => {
    const peer = new HostilePeer();
    for (let n = 0; n < 3000; n++) {
      expect(peer.say(data(2 * n, 0, 1))).toBeUndefined();
      const [stream] = peer.opened;
      stream?.write(Uint8Array.of(0));
      peer.say(reset(2 * n, 1), stop(2 * n));
      stream?.reset(StreamErrorCode.connectionReset);
      peer.events.length = 0;
      const from = peer.received.length;
      peer.wait(1);
      for (const number of peer.received.slice(from)) peer.say(ack(number, number));
    }
    expect(peer.limits).toBe(MAX_OPEN_STREAMS + 3000);
  });

  it('does not pay for streams that we refused first (spec streams 5.4)', () => {
    const peer = new HostilePeer();
    for (let n = 0; n < 3000; n++) {
      expect(peer.say(data(2 * n, 0, 1))).toBeUndefined();
      for (const stream of peer.opened) {
        stream.finish();
        stream.stopSending(StreamErrorCode.refused);
      }
      peer.events.length = 0;
      peer.say(reset(2 * n, 1));
      const from = peer.received.length;
      peer.wait(1);
      for (const number of peer.received.slice(from)) peer.say(ack(number, number));
    }
    expect(peer.limits).toBe(MAX_OPEN_STREAMS + 3000);
  });

  it('with PATH_CHALLENGE makes us keep three answers at most (spec streams 2.4)', () => {
    const peer = new HostilePeer();
    for (let i = 0; i < 1000; i++) peer.say(...Array.from({ length: 100 }, () => challenge(i & 0xff)));
    const answers = peer
      .listen()
      .flat()
      .filter((frame) => frame.type === FrameType.pathResponse);
    expect(answers).toHaveLength(3);
  });

  it('with HELLO inside a packet is disconnected (spec streams 2.3)', () => {
    const peer = new HostilePeer();
    expect(peer.say(hello(1 << 20), hello(1 << 20))).toBe(protocolViolation);
  });

  it('with HELLOs that promise more each time is held to the first (spec streams 3.5)', () => {
    const peer = new HostilePeer();
    for (let i = 0; i < 100; i++) expect(peer.say(hello(2 ** 21 + i))).toBeUndefined();
    expect(peer.victim.parts.streams.credit.available).toBe(2 ** 21);
  });
});

describe('a peer that gives a little credit at a time (spec streams 5.6)', () => {
  /** How many bytes of stream data were sent, and in how many packets. */
  function sentAs(packets: ReturnType<HostilePeer['listen']>): { bytes: number; packets: number } {
    const carrying = packets.filter((frames) =>
      frames.some((frame) => frame.dataLength > 0 && isStream(frame.type)),
    );
    const frames = carrying.flat().filter((frame) => isStream(frame.type));
    return { bytes: frames.reduce((sum, frame) => sum + frame.dataLength, 0), packets: carrying.length };
  }
  const isStream = (type: number) => type === FrameType.stream || type === FrameType.streamFin;

  /** A victim that has used up its credit, with everything acknowledged. */
  function exhausted(): { peer: HostilePeer; id: number; limit: number } {
    const peer = new HostilePeer();
    const stream = peer.open();
    const limit = INITIAL_MAX_STREAM_DATA_BYTES;
    let sent = 0;
    for (let round = 0; round < 100; round++) {
      fill(stream);
      const from = peer.received.length;
      sent += sentAs(peer.wait(5)).bytes;
      for (const number of peer.received.slice(from)) peer.say(ack(number, number));
    }
    expect(sent).toBeGreaterThanOrEqual(limit); // Some bytes are sent twice.
    return { peer, id: stream.id, limit };
  }

  it('for a stream: we wait for more credit while something is unacknowledged', () => {
    const { peer, id, limit } = exhausted();
    let packets = 0;
    for (let i = 1; i <= 500; i++) {
      peer.say(maxStreamData(id, limit + i));
      packets += sentAs(peer.listen()).packets;
    }
    expect(packets).toBe(1); // Nothing was in flight before it.
    peer.say(maxStreamData(id, limit + 1 + 1024));
    expect(sentAs(peer.wait(2))).toEqual({ bytes: 1024, packets: 1 });
  });

  it('for a stream: we still use a byte per round trip, so that data never stops', () => {
    const { peer, id, limit } = exhausted();
    let bytes = 0;
    for (let i = 1; i <= 20; i++) {
      peer.say(maxStreamData(id, limit + i));
      const from = peer.received.length;
      bytes += sentAs(peer.wait(3)).bytes;
      for (const number of peer.received.slice(from)) peer.say(ack(number, number));
    }
    expect(bytes).toBe(20);
  });

  it('for the connection: the same as for a stream', () => {
    const peer = new HostilePeer();
    const streams = Array.from({ length: 8 }, () => peer.open());
    for (const stream of streams) peer.say(maxStreamData(stream.id, 256 * 1024));
    let sent = 0;
    for (let round = 0; round < 1000 && sent < 1 << 20; round++) {
      for (const stream of streams) stream.write(new Uint8Array(65_536));
      const from = peer.received.length;
      sent += sentAs(peer.wait(5)).bytes;
      for (const number of peer.received.slice(from)) peer.say(ack(number, number));
    }
    expect(sent).toBeGreaterThanOrEqual(1 << 20);
    let packets = 0;
    for (let i = 1; i <= 500; i++) {
      peer.say(maxData((1 << 20) + i));
      packets += sentAs(peer.listen()).packets;
    }
    expect(packets).toBeLessThanOrEqual(streams.length);
    expect(packets).toBeGreaterThan(0);
  });
});
