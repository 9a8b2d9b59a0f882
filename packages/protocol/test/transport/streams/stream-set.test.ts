import { describe, expect, it } from 'vitest';
import { MIN_MEMORY_PER_PEER_BYTES, transportFor } from '../../../src/transport/memory-budget.js';
import { PendingFrames } from '../../../src/transport/pending-frames.js';
import { ConnectionCredit } from '../../../src/transport/streams/connection-credit.js';
import { StreamControl } from '../../../src/transport/streams/frame-requests.js';
import { ReceiveHalf } from '../../../src/transport/streams/receive-half.js';
import type { ConnectionStream } from '../../../src/transport/streams/stream.js';
import { makeStreamSet } from './make-stream-set.js';

const LIMITS = transportFor(128 * 1024 * 1024);

describe('StreamSet', () => {
  it('keeps the highest limit if MAX_STREAMS frames arrive out of order (spec streams 5.1)', () => {
    const streams = makeStreamSet('client');
    streams.onMaxStreams(200);
    streams.onMaxStreams(150);
    const opened = Array.from({ length: 201 }, () => streams.open());
    expect(opened.filter((stream) => stream !== undefined)).toHaveLength(200);
  });
});

describe('a side that may open no more streams', () => {
  it('learns once that it may again, and only if it has tried (spec streams 5.4)', () => {
    const streams = makeStreamSet('client');
    streams.onMaxStreams(200);
    expect(streams.pollEvent()).toBeUndefined();
    for (let i = 0; i < 200; i++) expect(streams.open()).toBeDefined();
    expect(streams.open()).toBeUndefined();
    streams.onMaxStreams(200);
    expect(streams.pollEvent()).toBeUndefined();
    streams.onMaxStreams(201);
    streams.onMaxStreams(202);
    expect([streams.pollEvent(), streams.pollEvent()]).toEqual([{ type: 'streams-available' }, undefined]);
    expect(streams.open()).toBeDefined();
  });
});

describe('the send buffer of many streams (spec streams 5.8)', () => {
  const CHUNK = new Uint8Array(65_536);
  function fill(stream: ConnectionStream): number {
    let bytes = 0;
    for (let n = 0; n < 1000; n++) {
      const taken = stream.write(CHUNK);
      bytes += taken;
      if (taken < CHUNK.length) return bytes;
    }
    throw new Error('a stream takes bytes without end');
  }
  function withStreams(count: number) {
    const streams = makeStreamSet('relay');
    streams.onHello(2 ** 40, 256 * 1024, 1024);
    const opened = Array.from({ length: count }, () => streams.open() as ConnectionStream);
    return { streams, opened };
  }

  it('holds little of a stream that is at its limit, however much there is to write', () => {
    const { streams, opened } = withStreams(1024);
    for (const stream of opened) expect(fill(stream)).toBeLessThanOrEqual(256 * 1024 + 8 * 1024);
    const packet = new Uint8Array(60_000);
    for (let n = 0; n < 200_000; n++) {
      const stream = streams.sending.next();
      if (stream === undefined) break;
      streams.sending.writeFrame(stream, packet, 0, packet.length);
      const { frameStart, frameLength } = stream.sending;
      streams.onFrameAcknowledged(stream.id, frameStart, frameLength, false);
      fill(stream);
      streams.sending.onSent(stream);
    }
    // Each reader has everything that it permits, and little more waits.
    expect(streams.sending.bufferedBytes).toBe(1024 * 8 * 1024);
    expect(opened.every((stream) => stream.sending.buffer.sent === 256 * 1024)).toBe(true);
    const active = opened[7] as ConnectionStream;
    streams.onMaxStreamData(active.id, 2 ** 30);
    expect(fill(active)).toBeGreaterThan(8 * 1024 * 1024);
  });

  it('has a share for the next stream, however many hold as much as they may', () => {
    const { streams, opened } = withStreams(41);
    for (const stream of opened) streams.onMaxStreamData(stream.id, 2 ** 30);
    const alone = fill(opened[0] as ConnectionStream);
    expect(alone).toBe((2 / 3) * LIMITS.sendBufferBytes);
    for (const stream of opened.slice(1, 40)) fill(stream);
    expect(fill(opened[40] as ConnectionStream)).toBeGreaterThanOrEqual(LIMITS.minStreamSendBufferBytes);
    expect(streams.sending.bufferedBytes).toBeLessThanOrEqual(LIMITS.sendBufferBytes + 41 * 8 * 1024);
  });

  it('reports room that MAX_STREAM_DATA makes, even without an acknowledgement', () => {
    const { streams, opened } = withStreams(1);
    const stream = opened[0] as ConnectionStream;
    fill(stream);
    streams.announceRoom();
    expect(streams.pollEvent()).toBeUndefined();
    streams.onMaxStreamData(stream.id, 512 * 1024);
    streams.announceRoom();
    expect(streams.pollEvent()).toMatchObject({ type: 'stream-writable', stream });
    expect(fill(stream)).toBe(256 * 1024);
  });
});

describe('the credit of a connection (spec streams 5.3)', () => {
  const MIB = 1024 * 1024;

  it('is renewed when it adds a quarter to what the peer may send', () => {
    const pending = new PendingFrames();
    const credit = new ConnectionCredit(32 * MIB, pending);
    credit.receive(8 * MIB);
    credit.consume(8 * MIB - 1);
    expect(pending.maxData).toBe(false);
    credit.consume(1);
    expect(pending.maxData).toBe(true);
    expect(credit.granted).toBe(40 * MIB);
  });

  it('is renewed sooner when most of the window is unread, so that other streams do not wait', () => {
    const pending = new PendingFrames();
    const credit = new ConnectionCredit(32 * MIB, pending);
    credit.receive(4 * MIB);
    credit.consume(4 * MIB);
    expect(pending.maxData).toBe(false);
    credit.receive(27 * MIB); // Nobody reads it.
    expect(credit.granted).toBe(36 * MIB);
    expect(pending.maxData).toBe(true);
  });
});

describe('a stream', () => {
  it('accepts no bytes once either side has reset it (spec streams 4.2)', () => {
    const streams = makeStreamSet('client');
    const [own, stopped, lost] = [streams.open(), streams.open(), streams.open()];
    own?.reset(0);
    expect(own?.write(new Uint8Array(10))).toBe(0);
    streams.onStopSending(stopped?.id as number, 7);
    expect(stopped?.write(new Uint8Array(10))).toBe(0);
    streams.loseAll();
    expect(lost?.write(new Uint8Array(10))).toBe(0);
    expect(streams.sending.bufferedBytes).toBe(0);
  });

  it('throws if its writer writes after `finish`', () => {
    const stream = makeStreamSet('client').open();
    stream?.write(new Uint8Array(10));
    stream?.finish();
    expect(() => stream?.write(new Uint8Array(1))).toThrow('nothing is written after finish');
  });
});

describe('the streams that a side opens itself', () => {
  it('are never more than it has first windows for, and it learns when it may open more (spec streams 5.4: "more streams of its own open")', () => {
    const limits = transportFor(MIN_MEMORY_PER_PEER_BYTES);
    const streams = makeStreamSet('client', { limits });
    streams.onMaxStreams(1024);
    const opened = Array.from({ length: limits.maxOpenStreams }, () => streams.open() as ConnectionStream);
    expect(streams.open()).toBeUndefined();
    opened[3]?.stopSending(0);
    opened[3]?.reset(0);
    expect(streams.pollEvent()).toBeUndefined();
    streams.onResetStream(opened[3]?.id as number, 0, 0);
    streams.onResetAcknowledged(opened[3]?.id as number);
    const told = Array.from({ length: 3 }, () => streams.pollEvent()?.type);
    expect(told).toEqual(['stream-closed', 'streams-available', undefined]);
    expect(streams.open()).toBeDefined();
    expect(streams.open()).toBeUndefined();
  });
});

describe('RESET_STREAM (spec streams 4.4)', () => {
  it('counts the bytes that it leaves out as received, so that their credit comes back', () => {
    const streams = makeStreamSet('relay');
    streams.onResetStream(0, 7, 1_000);
    expect([streams.credit.receivedBytes, streams.credit.unreadBytes]).toEqual([1_000, 0]);
    // Another copy changes nothing.
    streams.onResetStream(0, 7, 1_000);
    expect([streams.credit.receivedBytes, streams.credit.unreadBytes]).toEqual([1_000, 0]);
  });

  it('is sent again when it is lost, and not once it is acknowledged, however late', () => {
    const requests = new PendingFrames();
    const streams = makeStreamSet('client', { requests });
    const stream = streams.open() as ConnectionStream;
    const isDue = () => requests.isControlDue(stream, StreamControl.reset);
    stream.reset(0);
    expect(isDue()).toBe(true);
    requests.withdrawControl(stream, StreamControl.reset); // written
    streams.onResetLost(stream.id);
    expect(isDue()).toBe(true);
    // The packet that was declared lost had only been late.
    streams.onResetAcknowledged(stream.id);
    expect([isDue(), requests.isWaiting]).toEqual([false, false]);
    streams.onResetLost(stream.id);
    expect(isDue()).toBe(false);
  });
});

describe('a stream that starts over (spec streams 3.8)', () => {
  it('is one of the oldest, if there are more than the peer permits', () => {
    const streams = makeStreamSet('client');
    const opened = Array.from({ length: 5 }, () => streams.open() as ConnectionStream);
    opened[1]?.noteSent(1);
    expect(streams.takeUnheard(2, 3)).toEqual([opened[0], opened[2], opened[3]]);
    expect(streams.openStreams).toBe(2);
  });

  it('counts as unsent each time, and as sent under the keypair of its first packet since', () => {
    const stream = makeStreamSet('client').open() as ConnectionStream;
    for (const keypairId of [3, 7]) {
      stream.noteSent(keypairId);
      stream.noteSent(keypairId + 1);
      expect([stream.isUnsent, stream.isUnheard(keypairId), stream.isUnheard(keypairId + 1)]).toEqual([
        false,
        true,
        false,
      ]);
      const next = makeStreamSet('client');
      stream.reopen(0, next, 100, new ReceiveHalf(100));
      expect([stream.isUnsent, stream.isUnheard(keypairId + 1)]).toEqual([true, true]);
    }
  });
});
