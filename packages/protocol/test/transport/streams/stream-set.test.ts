import { describe, expect, it } from 'vitest';
import { MAX_SEND_PIECES, RECEIVE_BLOCK_BYTES } from '../../../src/transport/limits.js';
import { MIN_MEMORY_PER_PEER_BYTES, transportFor } from '../../../src/transport/memory-budget.js';
import { PendingFrames } from '../../../src/transport/pending-frames.js';
import { ConnectionCredit } from '../../../src/transport/streams/connection-credit.js';
import { StreamControl } from '../../../src/transport/streams/frame-requests.js';
import { ReceiveHalf } from '../../../src/transport/streams/receive-half.js';
import type { ConnectionStream } from '../../../src/transport/streams/stream.js';
import type { FrameReader } from '../../../src/transport/wire/frame-reader.js';
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

/** Takes all events of a set. @returns their types, in order */
function eventsOf(set: ReturnType<typeof makeStreamSet>): string[] {
  const types: string[] = [];
  for (let event = set.pollEvent(); event !== undefined; event = set.pollEvent()) types.push(event.type);
  return types;
}

/** Sends everything that a set may send now. @returns the frames, in order */
function sendAll(set: ReturnType<typeof makeStreamSet>, room = 1000) {
  const packet = new Uint8Array(room);
  const frames: { readonly id: number; readonly start: number; readonly length: number }[] = [];
  for (let stream = set.sending.next(); stream !== undefined; stream = set.sending.next()) {
    set.sending.writeFrame(stream, packet, 0, room);
    frames.push({ id: stream.id, start: stream.sending.frameStart, length: stream.sending.frameLength });
    set.sending.onSent(stream);
  }
  return frames;
}

const arrive = (set: ReturnType<typeof makeStreamSet>, id: number, offset: number, length: number) =>
  set.onStreamFrame(
    { streamId: id, offset, bytes: new Uint8Array(length), dataStart: 0, dataLength: length } as FrameReader,
    false,
  );

describe('a command on a stream', () => {
  it('asks for a turn of the connection if it changes anything', () => {
    let asked = 0;
    const streams = makeStreamSet('client', { onCommand: () => asked++ });
    const stream = streams.open() as ConnectionStream;
    arrive(streams, stream.id, 0, 10);
    const commands: Record<string, () => unknown> = {
      open: () => streams.open(),
      write: () => stream.write(new Uint8Array(10)),
      read: () => stream.read(),
      finish: () => stream.finish(),
      reset: () => stream.reset(0),
      stopSending: () => stream.stopSending(0),
    };
    for (const [name, command] of Object.entries(commands)) {
      asked = 0;
      command();
      expect([name, asked]).toEqual([name, 1]);
      asked = 0;
      if (name === 'open' || name === 'write') continue;
      // The second time, there is nothing to do.
      command();
      expect([name, asked]).toEqual([name, 0]);
    }
  });
});

describe('the events of a stream', () => {
  it('report once that it can be read, until that was polled', () => {
    const streams = makeStreamSet('relay');
    arrive(streams, 0, 0, 10);
    arrive(streams, 0, 10, 10);
    expect(eventsOf(streams)).toEqual(['stream-opened', 'stream-readable']);
    arrive(streams, 0, 30, 10); // behind a gap
    arrive(streams, 0, 0, 20);
    expect(eventsOf(streams)).toEqual(['stream-readable']);
    arrive(streams, 0, 20, 10);
    expect(eventsOf(streams)).toEqual(['stream-readable']);
  });
});

describe('the memory of received bytes', () => {
  it('is that of all streams', () => {
    const streams = makeStreamSet('relay');
    expect(streams.allocatedBytes).toBe(0);
    for (const id of [0, 2, 4]) arrive(streams, id, 0, 10);
    expect(streams.allocatedBytes).toBe(3 * (RECEIVE_BLOCK_BYTES + 16));
  });
});

describe('a writer that waits for room', () => {
  /** A stream whose writer could not write everything, and which has been sent as far as the peer permits. */
  function waiting() {
    const streams = makeStreamSet('client');
    const stream = streams.open() as ConnectionStream;
    while (stream.write(new Uint8Array(10_000)) === 10_000);
    const frames = sendAll(streams);
    const acknowledge = () => {
      for (const { id, start, length } of frames) streams.onFrameAcknowledged(id, start, length, false);
    };
    return { streams, stream, acknowledge };
  }
  const announced = (streams: ReturnType<typeof makeStreamSet>) => {
    streams.announceRoom();
    return eventsOf(streams);
  };

  it('learns once that there is room', () => {
    const { streams, stream, acknowledge } = waiting();
    expect(announced(streams)).toEqual([]);
    acknowledge();
    streams.onMaxStreamData(stream.id, 2 ** 20);
    expect(announced(streams)).toEqual(['stream-writable']);
    expect(announced(streams)).toEqual([]);
    // It has not asked for room since.
    streams.onMaxStreamData(stream.id, 2 ** 21);
    expect(announced(streams)).toEqual([]);
  });

  it.each<[string, (stream: ConnectionStream) => void]>([
    ['has finished', (stream) => stream.finish()],
    ['has reset the stream', (stream) => stream.reset(0)],
  ])('learns nothing more once it %s', (_name, end) => {
    const { streams, stream, acknowledge } = waiting();
    streams.onMaxStreamData(stream.id, 2 ** 20);
    end(stream);
    acknowledge();
    expect(announced(streams)).toEqual([]);
  });

  it('learns nothing once its connection is lost', () => {
    const { streams, stream, acknowledge } = waiting();
    streams.onMaxStreamData(stream.id, 2 ** 20);
    streams.loseAll();
    expect(eventsOf(streams)).toEqual(['stream-reset', 'stream-closed']);
    acknowledge();
    expect(announced(streams)).toEqual([]);
  });
});

describe('the limits of the peer', () => {
  it('have an effect only if they are higher than before (spec streams 5.1)', () => {
    const streams = makeStreamSet('client');
    const stream = streams.open() as ConnectionStream;
    streams.onHello(1000, 500, 100);
    const effects = () => {
      const before = streams.effects;
      return (change: () => void) => {
        change();
        return streams.effects - before;
      };
    };
    for (const [raised, change] of [
      [1, () => streams.onMaxData(2 ** 21)],
      [0, () => streams.onMaxData(2 ** 21)],
      [1, () => streams.onMaxStreamData(stream.id, 50_000)],
      [0, () => streams.onMaxStreamData(stream.id, 50_000)],
      [0, () => streams.onMaxStreamData(stream.id, 40_000)],
      [1, () => streams.onMaxStreams(200)],
      [0, () => streams.onMaxStreams(200)],
    ] as const) {
      expect(effects()(change)).toBe(raised);
    }
    expect([stream.sending.limit, streams.credit.available]).toEqual([50_000, 2 ** 21]);
  });

  it('hold back streams with something to send until they rise (spec streams 5.1)', () => {
    const streams = makeStreamSet('client');
    const stream = streams.open() as ConnectionStream;
    streams.onMaxStreamData(stream.id, 2 ** 30);
    const permitted = streams.credit.available;
    while (stream.write(new Uint8Array(10_000)) > 0 && stream.bufferedBytes <= permitted);
    let sent = 0;
    // The last bytes of the limit wait until the others are acknowledged (spec streams 5.6).
    for (let round = 0; round < 2; round++) {
      for (const { id, start, length } of sendAll(streams)) {
        sent += length;
        streams.onFrameAcknowledged(id, start, length, false);
      }
    }
    expect([sent, streams.credit.available, streams.sending.dataBlockedAt]).toEqual([
      permitted,
      0,
      permitted,
    ]);
    streams.onMaxData(permitted);
    expect(sendAll(streams)).toEqual([]);
    streams.onMaxData(permitted + 500);
    expect(sendAll(streams)).toMatchObject([{ start: permitted, length: 500 }]);
  });
});

describe('separate pieces that the sender has to remember (spec streams 5.7)', () => {
  it('stop new bytes when there are too many, and no longer once there are fewer', () => {
    const streams = makeStreamSet('client');
    streams.onHello(2 ** 30, 2 ** 30, 100);
    const stream = streams.open() as ConnectionStream;
    const total = 2 * MAX_SEND_PIECES + 100;
    expect(stream.write(new Uint8Array(total))).toBe(total);
    const packet = new Uint8Array(12);
    let sent = 0;
    for (; streams.sending.next() === stream && sent < total; sent = stream.sending.buffer.sent) {
      streams.sending.writeFrame(stream, packet, 0, packet.length);
      streams.sending.onSent(stream);
      const { frameStart, frameLength } = stream.sending;
      const from = Math.max(1, frameStart);
      // Every other byte is acknowledged.
      for (let at = from + (from % 2 === 0 ? 1 : 0); at < frameStart + frameLength; at += 2) {
        streams.onFrameAcknowledged(stream.id, at, 1, false);
      }
    }
    expect(streams.sending.notedPieces).toBeGreaterThanOrEqual(MAX_SEND_PIECES);
    expect(sent).toBeLessThan(total);
    expect(streams.sending.next()).toBeUndefined();
    // The first gap closes, so there is one piece less for each further byte.
    streams.onFrameAcknowledged(stream.id, 0, 20, false);
    expect(streams.sending.notedPieces).toBeLessThan(MAX_SEND_PIECES);
    expect(streams.sending.next()).toBe(stream);
    stream.reset(0);
    expect(streams.sending.notedPieces).toBe(0);
  });
});

describe('a stream that moves to another connection (spec streams 3.8)', () => {
  it('leaves nothing behind, and takes its bytes, its FIN and its writer along', () => {
    const requests = new PendingFrames();
    const streams = makeStreamSet('client', { requests });
    const stream = streams.open() as ConnectionStream;
    while (stream.write(new Uint8Array(10_000)) === 10_000);
    const bytes = stream.bufferedBytes;
    stream.noteSent(5);
    streams.onFirstSent(stream);
    stream.sendDatagram(0, new Uint8Array(10));
    expect([requests.isWaiting, streams.datagrams.isWaiting]).toEqual([true, true]);
    streams.onMaxStreamData(stream.id, 100_000);
    expect(streams.takeUnheard(5, 10)).toEqual([stream]);
    expect([requests.isWaiting, streams.datagrams.isWaiting, streams.openStreams]).toEqual([false, false, 0]);
    expect(streams.datagrams.counts.expired).toBe(1);
    streams.announceRoom();
    expect(eventsOf(streams)).toEqual([]);

    const next = makeStreamSet('client');
    next.onHello(2 ** 30, 2 ** 30, 100);
    next.reopen(stream);
    expect([next.openStreams, next.sending.bufferedBytes]).toEqual([1, bytes]);
    next.announceRoom();
    expect(eventsOf(next)).toEqual(['stream-writable']);
    stream.finish();
    const frames = sendAll(next);
    expect(frames.reduce((sum, { length }) => sum + length, 0)).toBe(bytes);
    expect(frames[0]).toMatchObject({ id: stream.id, start: 0 });
    expect(stream.sending.state).toBe('data-sent');
  });
});
