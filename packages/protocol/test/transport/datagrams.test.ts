/** Messages of flows between two connections (spec datagrams). */
import { describe, expect, it } from 'vitest';
import { StreamErrorCode } from '../../src/failure.js';
import { DATAGRAM_HEADROOM_BYTES, MAX_DATAGRAM_WAIT_MS } from '../../src/transport/limits.js';
import type { ConnectionStream, Stream } from '../../src/transport/streams/stream.js';
import { END, FrameReader } from '../../src/transport/wire/frame-reader.js';
import { FrameType, writeDatagramHeader } from '../../src/transport/wire/frames.js';
import { announcedVarintLength } from '../../src/transport/wire/varint.js';
import { ConnectedPair, type Packet, type Side } from './connected-pair.js';
import { makeStreamSet } from './streams/make-stream-set.js';

const REQUEST = Uint8Array.of(3);
const message = (first: number, length = 10) => new Uint8Array(length).fill(first);

/** Opens a flow on the client and sends its request. */
function openFlow(pair: ConnectedPair): Stream {
  const stream = pair.client.openStream();
  if (stream === undefined) throw new Error('no stream');
  stream.write(REQUEST);
  return stream;
}

/** The relay's end of a flow. */
function accepted(pair: ConnectedPair, index = 0): Stream {
  const event = pair.events.relay.filter(({ type }) => type === 'stream-opened')[index];
  if (event === undefined || !('stream' in event)) throw new Error('no incoming stream');
  return event.stream;
}

/** Reads all messages that have arrived; each is named by its first byte. */
function arrived(stream: Stream): number[] {
  const firsts: number[] = [];
  for (let read = stream.readDatagram(); read !== undefined; read = stream.readDatagram()) {
    firsts.push(read[0] ?? -1);
  }
  return firsts;
}

/** The types of the frames in a packet, in order. */
function frameTypes({ bytes }: Packet): number[] {
  const reader = new FrameReader();
  reader.begin(bytes, 1 + announcedVarintLength(bytes[1] as number), bytes.length);
  const types: number[] = [];
  for (let type = reader.next(); type !== END; type = reader.next()) types.push(type);
  return types;
}

const hasMessage = (packet: Packet) => frameTypes(packet).includes(FrameType.datagram);
const eventsOf = (pair: ConnectedPair, side: Side) =>
  pair.events[side].filter(({ type }) => type === 'stream-datagrams').length;

describe('messages of a flow', () => {
  it('arrive whole, behind the request that they were sent with (spec datagrams 1.2: "before something of the stream has been put into a packet")', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    for (let n = 0; n < 3; n++) expect(flow.sendDatagram(pair.now, message(n))).toBe('queued');
    pair.run(15);
    expect(arrived(accepted(pair))).toEqual([0, 1, 2]);
    const types = frameTypes(pair.sent.find(hasMessage) as Packet);
    expect(types.indexOf(FrameType.stream)).toBeLessThan(types.indexOf(FrameType.datagram));
    expect(eventsOf(pair, 'relay')).toBe(1);
  });

  it('travel in both directions, and empty ones too', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    pair.run(15);
    accepted(pair).sendDatagram(pair.now, new Uint8Array(0));
    accepted(pair).sendDatagram(pair.now, message(7));
    pair.run(15);
    expect(arrived(flow)).toEqual([-1, 7]);
    expect(pair.client.parts.streams.datagrams.counts).toMatchObject({ received: 2, withoutFlow: 0 });
  });

  it('show that the peer understands them (spec datagrams 1.2: "MUST NOT send DATAGRAM before it knows")', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    pair.run(15);
    expect(flow.peerKnowsDatagrams).toBe(false);
    accepted(pair).sendDatagram(pair.now, message(1));
    pair.run(15);
    expect(flow.peerKnowsDatagrams).toBe(true);
    expect(openFlow(pair).peerKnowsDatagrams).toBe(true);
  });

  it('are lost with their packets, and never sent again (spec datagrams 2.1: "MUST NOT be split over frames")', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    pair.run();
    let lost = 0;
    pair.filter = (packet) => !hasMessage(packet) || ++lost > 2;
    for (let n = 0; n < 5; n++) {
      flow.sendDatagram(pair.now, message(n, flow.maxDatagramBytes));
      pair.run(100);
    }
    pair.run();
    expect(arrived(accepted(pair))).toEqual([2, 3, 4]);
    expect(pair.sent.filter(hasMessage)).toHaveLength(5);
    expect(pair.client.parts.recovery).toMatchObject({ bytesInFlight: 0, packetsLost: 2 });
  });

  it('arrive once, even if their packet arrives twice', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    flow.sendDatagram(pair.now, message(1));
    pair.run(15);
    const { number, bytes } = pair.sent.find(hasMessage) as Packet;
    const frames = bytes.subarray(1 + announcedVarintLength(bytes[1] as number));
    expect(pair.inject('relay', number, frames)).toEqual({ dropped: 'duplicate-packet' });
    expect(arrived(accepted(pair))).toEqual([1]);
  });

  it('can be read after the bytes of the stream were read to their end, because the flow lasts while the stream does (spec datagrams 1.1)', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    flow.sendDatagram(pair.now, message(1));
    flow.finish();
    pair.run(15);
    const stream = accepted(pair);
    expect(stream.read()).toEqual(REQUEST);
    expect(stream.readFinished).toBe(true);
    expect(arrived(stream)).toEqual([1]);
    // A packet that was overtaken brings another one.
    const late = new Uint8Array(20);
    const start = writeDatagramHeader(late, 0, stream.id, 1);
    late[start] = 2;
    pair.inject('relay', 100, late.subarray(0, start + 1));
    expect(arrived(stream)).toEqual([2]);
  });

  it('may be as large as fits behind a HELLO, and no larger (spec datagrams 2.2: "MUST drop a larger message")', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    const { maxDatagramBytes } = flow;
    expect(maxDatagramBytes).toBe(1152 - DATAGRAM_HEADROOM_BYTES);
    expect(flow.sendDatagram(pair.now, message(1, maxDatagramBytes + 1))).toBe('too-large');
    expect(flow.sendDatagram(pair.now, message(2, maxDatagramBytes))).toBe('queued');
    pair.run(15);
    expect(frameTypes(pair.sent.find(hasMessage) as Packet)).toContain(FrameType.hello);
    expect(arrived(accepted(pair))).toEqual([2]);
    expect(pair.client.parts.streams.datagrams.counts).toMatchObject({ tooLarge: 1, sent: 1 });
  });

  it('grow with the path, and are dropped when it shrinks before they are sent (spec datagrams 2.2: "has become too large")', () => {
    let fullBytes = 1472;
    const set = makeStreamSet('client', { fullDatagramBytes: () => fullBytes });
    const flow = set.open() as ConnectionStream;
    flow.noteSent(1);
    expect(flow.maxDatagramBytes).toBe(1360);
    for (const length of [1360, 500, 1360]) flow.sendDatagram(0, message(length & 0xff, length));
    fullBytes = 1152;
    expect(flow.maxDatagramBytes).toBe(1040);
    const packet = new Uint8Array(1152);
    // It waits while something else takes the room, and is dropped from a packet with nothing else.
    expect(set.datagrams.writeFrames(0, packet, 0, 1100, false)).toBe(0);
    const end = set.datagrams.writeFrames(0, packet, 0, 1100, true);
    expect(end).toBe(1 + 1 + 2 + 500);
    expect(set.datagrams.counts).toMatchObject({ tooLarge: 1, sent: 1 });
    set.datagrams.writeFrames(0, packet, 0, 1100, true);
    expect(set.datagrams.counts).toMatchObject({ tooLarge: 2, sent: 1 });
    expect(set.datagrams.isWaiting).toBe(false);
  });

  it('make room for the newest when the path is slow (spec datagrams 3.1: "drop the oldest messages")', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    pair.run();
    for (let n = 0; n < 200; n++) {
      expect(flow.sendDatagram(pair.now, message(n, 1000))).toBe('queued');
    }
    const { sendQueueFull } = pair.client.parts.streams.datagrams.counts;
    expect(sendQueueFull).toBeGreaterThan(100);
    pair.run();
    expect(arrived(accepted(pair))).toEqual(
      Array.from({ length: 200 - sendQueueFull }, (_, n) => sendQueueFull + n),
    );
  });

  it('are refused and counted when other flows take all memory (spec datagrams 3.1)', () => {
    const pair = new ConnectedPair();
    const flows = Array.from({ length: 12 }, () => openFlow(pair));
    pair.run();
    const outcomes = flows.flatMap((flow) =>
      Array.from({ length: 200 }, (_, n) => {
        const { sendQueueFull } = pair.client.parts.streams.datagrams.counts;
        const outcome = flow.sendDatagram(pair.now, message(n, 1000));
        return { outcome, dropped: pair.client.parts.streams.datagrams.counts.sendQueueFull - sendQueueFull };
      }),
    );
    const refused = outcomes.filter(({ outcome }) => outcome === 'queue-full');
    expect(refused.length).toBeGreaterThan(100);
    expect(refused.filter(({ dropped }) => dropped === 0)).toEqual([]);
  });

  it('are not sent once they have waited for a second (spec datagrams 3.1: "waited for a second")', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    pair.run();
    flow.sendDatagram(pair.now, message(1));
    flow.sendDatagram(pair.now + MAX_DATAGRAM_WAIT_MS / 2, message(2));
    pair.now += MAX_DATAGRAM_WAIT_MS;
    pair.run();
    expect(arrived(accepted(pair))).toEqual([2]);
    expect(pair.client.parts.streams.datagrams.counts.expired).toBe(1);
  });

  it('of several flows take turns, and a busy flow leaves others room (spec datagrams 3.2)', () => {
    const pair = new ConnectedPair();
    const [busy, quiet] = [openFlow(pair), openFlow(pair)];
    pair.run();
    for (let n = 0; n < 200; n++) busy.sendDatagram(pair.now, message(n, 1000));
    expect(quiet.sendDatagram(pair.now, message(1, 1000))).toBe('queued');
    pair.run(11);
    expect(arrived(accepted(pair, 1))).toEqual([1]);
    expect(arrived(accepted(pair, 0)).length).toBeGreaterThan(0);
  });

  it('alternate with the bytes of streams, packet by packet (spec datagrams 3.2)', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    const bulk = pair.client.openStream() as Stream;
    pair.run();
    pair.sent.length = 0;
    bulk.write(new Uint8Array(200_000));
    for (let n = 0; n < 50; n++) flow.sendDatagram(pair.now, message(n, 1000));
    pair.run(300);
    const firstFrames = pair.sent
      .filter(({ from }) => from === 'client')
      .map((packet) => frameTypes(packet).find((type) => type !== FrameType.ack));
    const whileBoth = firstFrames.slice(0, 24);
    const messages = whileBoth.filter((type) => type === FrameType.datagram).length;
    expect(messages).toBeGreaterThanOrEqual(11);
    expect(messages).toBeLessThanOrEqual(13);
  });

  it('end with the stream: no more are sent, and those that wait are dropped (spec datagrams 3.4)', () => {
    const pair = new ConnectedPair();
    const flow = openFlow(pair);
    pair.run();
    const other = accepted(pair);
    flow.sendDatagram(pair.now, message(1));
    flow.reset(StreamErrorCode.cancelled);
    flow.stopSending(StreamErrorCode.cancelled);
    expect(flow.sendDatagram(pair.now, message(2))).toBe('ended');
    other.reset(StreamErrorCode.cancelled);
    pair.run();
    expect(pair.client.parts.streams.openStreams).toBe(0);
    expect(pair.client.parts.streams.datagrams.queuedBytes).toBe(0);
    expect(flow.readDatagram()).toBeUndefined();
  });
});
