import { describe, expect, it } from 'vitest';
import { ConnectionErrorCode, StreamErrorCode } from '../../src/failure.js';
import {
  INITIAL_MAX_DATA_BYTES,
  INITIAL_MAX_STREAM_DATA_BYTES,
  MAX_OPEN_STREAMS,
  MAX_REASSEMBLY_PIECES,
  MAX_SEND_PIECES,
  MAX_SENT_FRAMES,
  MAX_SENT_PACKETS,
  RECEIVE_BLOCK_BYTES,
} from '../../src/transport/limits.js';
import {
  DEFAULT_MEMORY_PER_PEER_BYTES,
  MIN_MEMORY_PER_PEER_BYTES,
  transportFor,
} from '../../src/transport/memory-budget.js';
import { PacketLog } from '../../src/transport/recovery/packet-log.js';
import type { ConnectionStream } from '../../src/transport/streams/stream.js';
import { FrameType } from '../../src/transport/wire/frames.js';
import { makeStreamSet } from '../transport/streams/make-stream-set.js';
import { data, fill, HostilePeer, hello, maxData, maxStreamData, ping, reset, stop } from './hostile-peer.js';

const { flowControl, streamLimit, finalSize } = ConnectionErrorCode;
const MEMORY = MIN_MEMORY_PER_PEER_BYTES;
const LIMITS = transportFor(MEMORY);

describe('a peer that wants memory (spec streams 5.5)', () => {
  it('stays below the bound when it scatters single bytes over every stream that it may open', () => {
    const peer = new HostilePeer(LIMITS);
    const { streams } = peer.victim.parts;
    const everyBlock = INITIAL_MAX_STREAM_DATA_BYTES / RECEIVE_BLOCK_BYTES;
    for (let n = 0; n < LIMITS.maxOpenStreams; n++) {
      // As many pieces as a stream may have, and a byte in each of its blocks, up to the connection's window.
      for (let piece = 0; piece < MAX_REASSEMBLY_PIECES; piece += 128) {
        const frames = Array.from({ length: 128 }, (_, i) => data(2 * n, 2 * (piece + i) + 1, 1));
        peer.say(...frames);
      }
      const room = LIMITS.connectionWindowBytes - streams.credit.unreadBytes > INITIAL_MAX_STREAM_DATA_BYTES;
      for (let block = 1; room && block < everyBlock; block++) {
        peer.say(data(2 * n, (block + 1) * RECEIVE_BLOCK_BYTES - 1, 1));
      }
    }
    expect(streams.openStreams).toBe(LIMITS.maxOpenStreams);
    expect(streams.allocatedBytes).toBeGreaterThan(MEMORY / 12);
    expect(streams.allocatedBytes).toBeLessThan(MEMORY / 2);
  });

  it('is never refused the byte that the reader is waiting for (spec streams 4.6: "MUST NOT refuse the byte")', () => {
    const peer = new HostilePeer();
    for (let i = 0; i < MAX_REASSEMBLY_PIECES; i++) peer.say(data(0, 10 + 2 * i, 1));
    expect(peer.say(data(0, 5000, 1))).toBe('dropped');
    expect(peer.say(data(0, 0, 1))).toBeUndefined();
    expect(peer.opened[0]?.read()).toHaveLength(1);
  });

  it('makes us hold nothing of a stream that was read to its end while the other direction stays open', () => {
    const peer = new HostilePeer();
    peer.say(data(0, 0, 1000, true));
    peer.opened[0]?.read();
    expect(peer.opened[0]?.readFinished).toBe(true);
    expect(peer.victim.parts.streams.allocatedBytes).toBe(0);
  });

  it('may not send beyond a limit', () => {
    expect(new HostilePeer().say(data(0, INITIAL_MAX_STREAM_DATA_BYTES, 1))).toBe(flowControl);
    const peer = new HostilePeer(LIMITS);
    let code: ReturnType<HostilePeer['say']>;
    let streams = 0;
    for (; code === undefined && streams <= LIMITS.maxOpenStreams; streams++) {
      code = peer.say(data(2 * streams, INITIAL_MAX_STREAM_DATA_BYTES - 1, 1));
    }
    // The first windows of all streams fit into the connection's window.
    expect(code).toBe(streamLimit);
    expect(streams - 1).toBe(LIMITS.maxOpenStreams);
    expect(peer.victim.parts.streams.credit.freeBytes).toBeGreaterThan(LIMITS.connectionWindowBytes / 2);
  });

  it('may not reset a stream at a size beyond the connection window (spec streams 4.4, 5.3)', () => {
    // The window is too small for all first windows; otherwise no stream's own limit would permit such a size.
    const peer = new HostilePeer({ ...LIMITS, connectionWindowBytes: INITIAL_MAX_DATA_BYTES });
    const streams = INITIAL_MAX_DATA_BYTES / INITIAL_MAX_STREAM_DATA_BYTES;
    for (let i = 0; i < streams; i++) {
      expect(peer.say(data(2 * i, INITIAL_MAX_STREAM_DATA_BYTES - 1, 1))).toBeUndefined();
    }
    expect(peer.say(reset(2 * streams, 1))).toBe(flowControl);
  });

  it('may not send data beyond a final size (spec streams 4.4)', () => {
    const peer = new HostilePeer();
    peer.say(data(0, 0, 100, true));
    expect(peer.say(data(0, 100, 1))).toBe(finalSize);
  });

  it('cannot fill the send buffer or the packet log beyond their limits by acknowledging nothing', () => {
    const peer = new HostilePeer(LIMITS);
    peer.say(hello(2 ** 40));
    const streams = Array.from({ length: 128 }, () => peer.open());
    for (let round = 0; round < 30; round++) {
      for (const stream of streams) fill(stream);
      peer.wait(1000);
    }
    const { parts } = peer.victim;
    const guaranteed = streams.length * LIMITS.minStreamSendBufferBytes;
    expect(parts.streams.sending.bufferedBytes).toBeLessThanOrEqual(LIMITS.sendBufferBytes + guaranteed);
    expect(parts.recovery.bytesInFlight).toBeLessThanOrEqual(2 * parts.congestion.windowBytes);
    expect(parts.recovery.log.allocatedBytes).toBeLessThanOrEqual(PacketLog.MAX_BYTES);
    // The victim backs off: in the last 10 s it sends a handful of probes.
    expect(peer.wait(10_000).length).toBeLessThan(5);
  });

  it('cannot fill the packet log beyond its limit by acknowledging all but the first packet', () => {
    const peer = new HostilePeer(LIMITS);
    peer.say(hello(2 ** 40));
    const stream = peer.open();
    for (let round = 0; round < 1000 && peer.received.length < MAX_SENT_PACKETS + 5000; round++) {
      fill(stream);
      const from = peer.received.length;
      peer.wait(1);
      expect(peer.acknowledge(peer.received.slice(Math.max(from, 1)))).toBeUndefined();
    }
    const { parts } = peer.victim;
    expect(peer.received.length).toBeGreaterThanOrEqual(MAX_SENT_PACKETS + 5000);
    expect(parts.streams.sending.bufferedBytes).toBeLessThanOrEqual(LIMITS.sendBufferBytes);
    expect(parts.recovery.log.allocatedBytes).toBeLessThanOrEqual(PacketLog.MAX_BYTES);
  });

  // spec streams 5.5: "MUST NOT send anything that would need another note"
  it('cannot make us remember too many frames by having a large window filled with small ones', () => {
    const peer = new HostilePeer(transportFor(DEFAULT_MEMORY_PER_PEER_BYTES));
    peer.say(hello(2 ** 40));
    for (let n = 0; n < MAX_OPEN_STREAMS; n++) peer.say(data(2 * n, 0, 1));
    const streams = peer.opened;
    const bulk = peer.open();
    // Bulk over 50 ms grows the window ...
    const answers: number[] = [];
    for (let round = 0; round < 400; round++) {
      fill(bulk);
      peer.wait(1);
      answers.push(peer.received.length);
      peer.acknowledge(peer.received.slice(answers[round - 51] ?? 0, answers[round - 50] ?? 0));
    }
    peer.acknowledge(peer.received.slice(answers.at(-51)));
    bulk.reset(StreamErrorCode.cancelled);
    const before = peer.received.length;
    // ... and then each stream gets a byte now and then, and no acknowledgement comes any more.
    const { log } = peer.victim.parts.recovery;
    for (let round = 0; round < 400 && !log.isNearlyFull; round++) {
      for (const stream of streams) stream.write(Uint8Array.of(1));
      peer.wait(1);
    }
    expect(log.isNearlyFull).toBe(true);
    // spec recovery 3.3: "new data MUST wait, but probes and acknowledgements MUST NOT"
    streams[0]?.write(Uint8Array.of(1));
    peer.say(ping);
    peer.say(ping);
    const types = new Set(peer.listen().flatMap((frames) => frames.map(({ type }) => type)));
    expect([types.has(FrameType.ack), types.has(FrameType.stream)]).toEqual([true, false]);
    expect(peer.wait(2_000).length).toBeGreaterThan(0);
    expect(log.frames.count).toBeLessThanOrEqual(MAX_SENT_FRAMES);
    expect(log.allocatedBytes).toBeLessThanOrEqual(PacketLog.MAX_BYTES);
    // Nothing is stuck: after the first acknowledgements, the rest is sent.
    peer.acknowledge(peer.received.slice(before));
    for (let round = 0; round < 200 && peer.victim.parts.streams.sending.bufferedBytes > 0; round++) {
      const from = peer.received.length;
      peer.wait(100);
      peer.acknowledge(peer.received.slice(from));
    }
    expect(peer.victim.parts.streams.sending.bufferedBytes).toBe(0);
    expect(log.frames.count).toBe(0);
  });

  it('cannot make us remember too many pieces by acknowledging every second byte (spec streams 5.7)', () => {
    const streams = makeStreamSet('relay', { limits: LIMITS });
    streams.onHello(2 ** 40, 2 ** 40, 1024);
    const stream = streams.open() as ConnectionStream;
    const packet = new Uint8Array(64);
    const sendOne = () => {
      const next = streams.sending.next();
      if (next !== undefined) streams.sending.writeFrame(next, packet, 0, packet.length);
      return next === undefined ? -1 : stream.sending.frameStart;
    };
    let sent = 0;
    for (; sent < 4 * MAX_SEND_PIECES; sent++) {
      stream.write(Uint8Array.of(1));
      const offset = sendOne();
      if (offset < 0) break;
      if (offset % 2 === 1) streams.onFrameAcknowledged(stream.id, offset, 1, false);
    }
    expect(sent).toBe(2 * MAX_SEND_PIECES);
    for (let offset = 0; offset < sent; offset += 2) streams.onFrameLost(stream.id, offset, 1, false);
    expect(streams.sending.notedPieces).toBe(2 * MAX_SEND_PIECES);
    // Lost bytes are still sent, and after that everything works again.
    for (let n = 0; n < MAX_SEND_PIECES; n++) streams.onFrameAcknowledged(stream.id, sendOne(), 1, false);
    expect(streams.sending.notedPieces).toBe(0);
    expect(sendOne()).toBe(sent);
  });

  it('cannot keep our send buffer full by stopping streams and never acknowledging the reset', () => {
    const peer = new HostilePeer(LIMITS);
    for (let n = 0; n < 100; n++) peer.say(data(2 * n, 0, 1));
    for (const stream of peer.opened) stream.write(new Uint8Array(8192));
    expect(peer.victim.parts.streams.sending.bufferedBytes).toBe(100 * 8192);
    for (let n = 0; n < 100; n++) peer.say(stop(2 * n));
    expect(peer.victim.parts.streams.sending.bufferedBytes).toBe(0);
  });

  it('cannot make us buffer without limit by giving endless credit (spec streams 5.1)', () => {
    const peer = new HostilePeer(LIMITS);
    const stream = peer.open();
    stream.write(new Uint8Array(1000));
    peer.listen();
    expect(peer.say(maxData(2 ** 53 - 1), maxStreamData(stream.id, 2 ** 53 - 1))).toBeUndefined();
    fill(stream);
    expect(stream.bufferedBytes).toBeLessThanOrEqual(LIMITS.sendBufferBytes);
  });
});
