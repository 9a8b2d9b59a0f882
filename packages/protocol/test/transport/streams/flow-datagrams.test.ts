/** The queues of messages, without connections (spec datagrams 2, 3). */
import { describe, expect, it } from 'vitest';
import {
  DATAGRAM_CHARGE_BYTES,
  MAX_DATAGRAM_WAIT_MS,
  MAX_DATAGRAMS_PER_PACKET,
} from '../../../src/transport/limits.js';
import type { ConnectionStream } from '../../../src/transport/streams/stream.js';
import type { FrameReader } from '../../../src/transport/wire/frame-reader.js';
import { makeStreamSet } from './make-stream-set.js';

const message = (first: number, length = 10) => new Uint8Array(length).fill(first);
/** The bytes of a DATAGRAM frame with one of these messages. */
const FRAME_BYTES = 13;

/** A client with flows that have sent their requests. */
function setUp(flows = 1) {
  const set = makeStreamSet('client');
  const opened = Array.from({ length: flows }, () => set.open() as ConnectionStream);
  for (const flow of opened) flow.noteSent(1);
  const { datagrams } = set;
  /** Writes one packet. @returns the first byte of each message in it */
  const write = (room = 1100, now = 0): number[] => {
    const packet = new Uint8Array(2000);
    const firsts: number[] = [];
    const end = datagrams.writeFrames(now, packet, 0, room, false);
    for (let at = 0; at < end; at += FRAME_BYTES) firsts.push(packet[at + 3] as number);
    return firsts;
  };
  const receive = (id: number, bytes: Uint8Array) =>
    set.onDatagramFrame({
      streamId: id,
      bytes,
      dataStart: 0,
      dataLength: bytes.length,
    } as unknown as FrameReader);
  const events = (): string[] => {
    const types: string[] = [];
    for (let event = set.pollEvent(); event !== undefined; event = set.pollEvent()) types.push(event.type);
    return types;
  };
  return { set, opened, datagrams, write, receive, events };
}

describe('a packet with messages', () => {
  it('takes one message of each flow in turn, each flow’s in order', () => {
    const { opened, datagrams, write } = setUp(2);
    for (const [i, flow] of opened.entries()) {
      for (let n = 0; n < 3; n++) flow.sendDatagram(0, message(10 * i + n));
    }
    expect(write(2 * FRAME_BYTES)).toEqual([0, 10]);
    expect(datagrams.isWaiting).toBe(true);
    expect(write()).toEqual([1, 11, 2, 12]);
    expect([datagrams.isWaiting, datagrams.queuedBytes, datagrams.counts.sent]).toEqual([false, 0, 6]);
  });

  it('gives the turns of a flow that has no more to the others', () => {
    const { opened, write } = setUp(2);
    const [short, long] = opened as [ConnectionStream, ConnectionStream];
    short.sendDatagram(0, message(1));
    for (let n = 0; n < 3; n++) long.sendDatagram(0, message(10 + n));
    expect(write()).toEqual([1, 10, 11, 12]);
    short.sendDatagram(0, message(2));
    long.sendDatagram(0, message(13));
    expect(write()).toEqual([2, 13]);
  });

  it('takes what fits to the last byte, and leaves what does not', () => {
    const { opened, datagrams, write } = setUp();
    opened[0]?.sendDatagram(0, message(1));
    expect(write(FRAME_BYTES - 1)).toEqual([]);
    expect(datagrams.counts).toMatchObject({ sent: 0, tooLarge: 0 });
    expect(write(FRAME_BYTES)).toEqual([1]);
  });

  it('takes no more messages than a packet may have (spec datagrams 2)', () => {
    const { opened, write } = setUp();
    for (let n = 0; n <= MAX_DATAGRAMS_PER_PACKET; n++) opened[0]?.sendDatagram(0, message(n));
    expect(write(2000)).toHaveLength(MAX_DATAGRAMS_PER_PACKET);
    expect(write(2000)).toEqual([MAX_DATAGRAMS_PER_PACKET]);
  });

  it('takes none that has waited for a second, and does not end with it (spec datagrams 3.1)', () => {
    const { opened, datagrams, write } = setUp(2);
    opened[0]?.sendDatagram(0, message(1));
    opened[1]?.sendDatagram(1, message(2));
    expect(write(1100, MAX_DATAGRAM_WAIT_MS)).toEqual([2]);
    expect(datagrams.counts).toMatchObject({ sent: 1, expired: 1 });
    expect([datagrams.isWaiting, datagrams.queuedBytes]).toEqual([false, 0]);
  });

  it('takes the first of a flow that is young enough, however many older ones it has', () => {
    const { opened, datagrams, write } = setUp();
    for (let n = 0; n < 3; n++) opened[0]?.sendDatagram(0, message(n));
    opened[0]?.sendDatagram(1, message(9));
    expect(write(1100, MAX_DATAGRAM_WAIT_MS)).toEqual([9]);
    expect(datagrams.counts).toMatchObject({ sent: 1, expired: 3 });
  });
});

describe('a flow of our own', () => {
  it('sends nothing before its request is in a packet (spec datagrams 1.2)', () => {
    const set = makeStreamSet('client');
    const flow = set.open() as ConnectionStream;
    flow.sendDatagram(0, message(1));
    expect(set.datagrams.isWaiting).toBe(false);
    flow.noteSent(1);
    set.onFirstSent(flow);
    expect(set.datagrams.isWaiting).toBe(true);
  });
});

describe('messages that arrive', () => {
  it('wait for the reader, with one event for all of them', () => {
    const { opened, datagrams, receive, events } = setUp();
    const flow = opened[0] as ConnectionStream;
    for (let n = 0; n < 3; n++) receive(flow.id, message(n));
    expect(events()).toEqual(['stream-datagrams']);
    expect(datagrams.queuedBytes).toBe(3 * (10 + DATAGRAM_CHARGE_BYTES));
    const read = Array.from({ length: 4 }, () => flow.readDatagram()?.[0]);
    expect(read).toEqual([0, 1, 2, undefined]);
    expect([datagrams.queuedBytes, datagrams.counts.received]).toEqual([0, 3]);
    receive(flow.id, message(9));
    expect(events()).toEqual(['stream-datagrams']);
  });

  it('are dropped and counted if nobody reads, without a change to those that wait (spec datagrams 3.3)', () => {
    const { opened, datagrams, receive } = setUp();
    const flow = opened[0] as ConnectionStream;
    for (let n = 0; n < 1000; n++) receive(flow.id, message(n & 0xff, 1000));
    const { receiveQueueFull } = datagrams.counts;
    expect(receiveQueueFull).toBeGreaterThan(0);
    expect(datagrams.queuedBytes).toBe((1000 - receiveQueueFull) * (1000 + DATAGRAM_CHARGE_BYTES));
    expect(flow.readDatagram()?.[0]).toBe(0);
  });

  it('are dropped and counted if their stream is over (spec datagrams 2.3)', () => {
    const { set, opened, datagrams, receive, events } = setUp();
    const { id } = opened[0] as ConnectionStream;
    set.loseAll();
    events();
    receive(id, message(1));
    expect(datagrams.counts.withoutFlow).toBe(1);
    expect([events(), datagrams.queuedBytes]).toEqual([[], 0]);
  });
});

describe('the memory of both directions', () => {
  it('is counted together, and comes back when the flow ends, whose unsent messages count as expired', () => {
    const { set, opened, datagrams, receive } = setUp(2);
    const [flow, other] = opened as [ConnectionStream, ConnectionStream];
    for (let n = 0; n < 3; n++) flow.sendDatagram(0, message(n));
    receive(flow.id, message(7));
    other.sendDatagram(0, message(8));
    const each = 10 + DATAGRAM_CHARGE_BYTES;
    expect(datagrams.queuedBytes).toBe(5 * each);
    flow.reset(0);
    flow.stopSending(0);
    set.onResetAcknowledged(flow.id);
    set.onResetStream(flow.id, 0, 0);
    expect(flow.isClosed).toBe(true);
    expect([datagrams.queuedBytes, datagrams.counts.expired]).toEqual([each, 3]);
    expect([flow.readDatagram(), flow.sendDatagram(0, message(9))]).toEqual([undefined, 'ended']);
    expect(datagrams.isWaiting).toBe(true);
    set.loseAll();
    expect([datagrams.queuedBytes, datagrams.isWaiting, datagrams.counts.expired]).toEqual([0, false, 4]);
  });
});
