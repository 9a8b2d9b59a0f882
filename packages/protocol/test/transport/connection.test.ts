import { describe, expect, it } from 'vitest';
import { ConnectionErrorCode, StreamErrorCode } from '../../src/failure.js';
import {
  INITIAL_MAX_STREAM_DATA_BYTES,
  MAX_FRAMES_PER_PACKET,
  MAX_REASSEMBLY_PIECES,
  OPENING_WINDOW_BYTES,
  TAIL_REPEAT_UNSURE_MS,
} from '../../src/transport/limits.js';
import type { Stream } from '../../src/transport/streams/stream.js';
import {
  FrameType,
  writeLimit,
  writeResetStream,
  writeStreamHeader,
} from '../../src/transport/wire/frames.js';
import { writeVarint } from '../../src/transport/wire/varint.js';
import { ConnectedPair, type Side } from './connected-pair.js';

const pattern = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

/** Compares bytes, much faster than `toEqual` does for megabytes. */
function isPattern(bytes: Uint8Array, length: number): boolean {
  return bytes.length === length && bytes.every((byte, i) => byte === ((i * 31 + (i >> 8)) & 0xff));
}

function readAll(stream: Stream): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let part = stream.read(); part !== undefined; part = stream.read()) parts.push(part);
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function open(pair: ConnectedPair, side: Side = 'client'): Stream {
  const stream = pair.of(side).openStream();
  if (stream === undefined) throw new Error('no stream');
  return stream;
}

function incoming(pair: ConnectedPair, side: Side, index = 0): Stream {
  const event = pair.events[side].filter((e) => e.type === 'stream-opened')[index];
  if (event === undefined) throw new Error('no incoming stream');
  return event.stream;
}

function streamFrame(id: number, offset: number, data: Uint8Array, fin = false): Uint8Array {
  const bytes = new Uint8Array(64 + data.length);
  const at = writeStreamHeader(bytes, 0, id, offset, data.length, fin);
  bytes.set(data, at);
  return bytes.subarray(0, at + data.length);
}

function ack(packetNumber: number): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes[0] = FrameType.ack;
  return bytes.subarray(
    0,
    writeVarint(bytes, writeVarint(bytes, writeVarint(bytes, writeVarint(bytes, 1, packetNumber), 0), 0), 0),
  );
}

function failureCode(outcome: ReturnType<ConnectedPair['inject']>): number | undefined {
  return outcome !== undefined && 'failed' in outcome ? outcome.failed.code : undefined;
}

describe('the pacer', () => {
  it('does not hold back an acknowledgement (spec recovery 6: "ACK-only packets MUST NOT be paced")', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(new Uint8Array(1));
    pair.run(200);
    incoming(pair, 'relay').write(new Uint8Array(100_000));
    pair.run();
    const packet = new Uint8Array(1_168);
    const poll = (): number => pair.relay.pollPacket(pair.now, 1, packet, 0, packet.length);
    incoming(pair, 'relay').write(new Uint8Array(100_000));
    while (poll() > 0);
    expect(pair.relay.pollTimeout()?.reason).toBe('pacing');
    for (const packetNumber of [1_000, 1_001])
      pair.inject('relay', packetNumber, Uint8Array.of(FrameType.ping));
    const length = poll();
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(64);
    expect(pair.relay.pollTimeout()?.reason).toBe('pacing');
  });
});

describe('connection', () => {
  it('carries bytes and FIN in the first packet, before any answer (spec streams 3.5)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(100));
    stream.finish();
    pair.run(12);
    expect(pair.events.relay.map((e) => e.type)).toEqual(['stream-opened', 'stream-readable']);
    expect(readAll(incoming(pair, 'relay'))).toEqual(pattern(100));
    expect(incoming(pair, 'relay').readFinished).toBe(true);
  });

  it('falls silent when both sides have sent everything (spec streams 7)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10_000));
    stream.finish();
    pair.run(1_000);
    expect(readAll(incoming(pair, 'relay'))).toHaveLength(10_000);
    incoming(pair, 'relay').finish();
    pair.run(1_000);
    readAll(stream);
    pair.run();
    const before = pair.sent.length;
    pair.run(600_000);
    expect(pair.sent.length).toBe(before);
  });

  it('asks every 25 s whether the relay is still there, while it has streams (spec outage 3: "after every 25 s of silence")', () => {
    const pair = new ConnectedPair();
    open(pair).write(pattern(100_000));
    pair.run(10_000);
    const before = pair.sent.length;
    pair.run(250_000);
    // PING and ACK, a little more than 25 s apart.
    expect(pair.sent.length - before).toBe(18);
  });

  it('notices soon that the data it is waiting for cannot arrive (spec outage 3: "for two probe timeouts")', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10));
    pair.run(1_000);
    incoming(pair, 'relay').write(pattern(5_000_000));
    pair.run(200);
    const cutAt = pair.now;
    pair.filter = ({ from }) => from !== 'relay';
    pair.run(1_000);
    pair.filter = () => true;
    const asked = pair.sent.filter(({ from, at }) => from === 'client' && at > cutAt + pair.oneWayMs);
    expect(asked[0]?.at).toBeLessThan(cutAt + 400);
  });

  it('repeats the last data of a burst on a new path, so that no loss has to wait for a timer (spec recovery 8)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10));
    pair.run(1_000);
    const lost = pair.client.parts.recovery.log.next;
    pair.filter = ({ from, number }) => from !== 'client' || number !== lost;
    stream.write(pattern(10));
    const wroteAt = pair.now;
    pair.run(1_000, () => pair.relay.parts.streams.credit.unreadBytes === 20);
    expect(pair.now - wroteAt).toBeLessThan(pair.oneWayMs + 6);
  });

  it('repeats the last data of a burst after losses, so that no loss has to wait for a timer (spec recovery 8)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10));
    pair.run(1_000);
    pair.now += TAIL_REPEAT_UNSURE_MS;
    let lose = new Set<number>([20, 25]);
    pair.filter = ({ from, number }) => from !== 'client' || !lose.has(number);
    stream.write(pattern(100_000));
    pair.run(5_000);
    readAll(incoming(pair, 'relay'));
    const lost = { client: pair.client.parts.recovery.packetsLost };
    expect(lost.client).toBe(2);
    const start = pair.sent.length;
    lose = new Set([pair.client.parts.recovery.log.next]);
    stream.write(pattern(10));
    const wroteAt = pair.now;
    pair.run(
      1_000,
      () => incoming(pair, 'relay').readFinished || pair.relay.parts.streams.credit.unreadBytes > 0,
    );
    expect(pair.now - wroteAt).toBeLessThan(pair.oneWayMs + 6);
    pair.run(5_000);
    // The repeat itself is not repeated.
    expect(pair.sent.slice(start).filter(({ from }) => from === 'client').length).toBeLessThan(5);
  });

  it('repeats the last data of a burst even if the repeat before it had no room in the window (spec recovery 8)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10));
    pair.run(1_000);
    const { congestion, recovery } = pair.client.parts;
    // The rest of the window is too small for a full packet, so what is due after 4 ms has to wait.
    stream.write(pattern(congestion.windowBytes - 1_500));
    pair.run(10);
    pair.run(1_000, () => recovery.ackElicitingInFlight === 0);
    readAll(incoming(pair, 'relay'));
    const lost = recovery.log.next;
    pair.filter = ({ from, number }) => from !== 'client' || number !== lost;
    stream.write(pattern(10));
    pair.run(1_000, () => pair.relay.parts.streams.credit.unreadBytes > 0 || recovery.ptoCount > 0);
    expect(pair.relay.parts.streams.credit.unreadBytes).toBe(10);
  });

  it('repeats data with a probe, even if packets without data were lost before it (spec recovery 4)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10));
    pair.run(1_000);
    readAll(incoming(pair, 'relay'));
    const { recovery } = pair.client.parts;
    pair.now += TAIL_REPEAT_UNSURE_MS;
    pair.client.pollMtuProbe(pair.now, new Uint8Array(1440), 0, 1440);
    stream.write(pattern(10));
    // Nothing that would show the loss arrives before the timer expires.
    pair.filter = ({ from }) => from === 'client' && recovery.ptoCount > 0;
    pair.run(1_000, () => recovery.ptoCount === 2);
    expect(pair.relay.parts.streams.credit.unreadBytes).toBe(10);
  });

  it('does not treat the loss of an MTU probe as congestion (spec mtu 2.2)', () => {
    const pair = new ConnectedPair();
    open(pair).write(pattern(10));
    pair.run(1_000);
    const { congestion, recovery } = pair.client.parts;
    const before = congestion.windowBytes;
    pair.client.pollMtuProbe(pair.now, new Uint8Array(1440), 0, 1440);
    pair.run(100);
    for (let i = 0; i < 5; i++) {
      pair.client.openStream()?.write(pattern(10));
      pair.run(100);
    }
    expect(recovery.packetsLost).toBe(1);
    expect(congestion.windowBytes).toBeGreaterThanOrEqual(before);
  });

  it('keeps large datagrams when small ones are lost, because size is not the reason (spec mtu 4.2)', () => {
    const pair = new ConnectedPair({ maxDatagramBytes: 1472 });
    const stream = open(pair);
    stream.write(pattern(10));
    pair.run(1_000);
    const { client } = pair;
    const probeBytes = client.mtuProbeBytes(pair.now) as number;
    client.pollMtuProbe(pair.now, new Uint8Array(probeBytes), 0, probeBytes - 32);
    pair.inject('client', 1000, ack(client.parts.recovery.log.next - 1));
    expect(client.datagramBytes).toBe(1472);
    pair.filter = () => false;
    stream.write(pattern(10));
    pair.run(3_000);
    expect(client.parts.recovery.ptoCount).toBeGreaterThan(2);
    expect(client.datagramBytes).toBe(1472);
  });

  it('repeats nothing on a path that has lost nothing for a minute (spec recovery 8: "MUST NOT repeat anything")', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    pair.run(1_000);
    pair.now += TAIL_REPEAT_UNSURE_MS;
    const start = pair.sent.length;
    for (let i = 0; i < 20; i++) {
      stream.write(pattern(10));
      pair.run(100);
    }
    expect(pair.sent.slice(start).filter(({ from }) => from === 'client').length).toBe(20);
  });

  it('numbers packets upwards, never twice, and skips some numbers (spec streams 1.2: "MUST NOT use a packet number twice")', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    pump(pair, stream, 300_000);
    const numbers = pair.sent.filter((p) => p.from === 'client').map((p) => p.number);
    for (let i = 1; i < numbers.length; i++) expect(numbers[i]).toBeGreaterThan(numbers[i - 1] as number);
    expect((numbers.at(-1) as number) + 1).toBeGreaterThan(numbers.length);
  });

  it('fills a probe of the MTU search with padding, whatever the buffer held before (spec mtu 2.1)', () => {
    const pair = new ConnectedPair();
    open(pair).write(pattern(10));
    pair.run(1_000);
    const bytes = new Uint8Array(1_440).fill(0xff);
    expect(pair.client.pollMtuProbe(pair.now, bytes, 0, 1_440)).toBe(1_440);
    const start = bytes.indexOf(FrameType.ping, 1 + (1 << ((bytes[1] as number) >>> 6)));
    expect(start).toBeLessThan(10);
    expect(bytes.subarray(start + 1).every((byte) => byte === FrameType.padding)).toBe(true);
  });

  it('forgets the packets that were acknowledged (spec recovery 3.3)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    for (let i = 0; i < 30; i++) {
      stream.write(pattern(5_000));
      pair.run(5_000);
      expect(readAll(incoming(pair, 'relay'))).toHaveLength(5_000);
    }
    const { log } = pair.client.parts.recovery;
    expect(log.next).toBeGreaterThan(80);
    expect(log.next - log.first).toBeLessThan(5);
  });

  it('retransmits lost data in new packets until everything has arrived (spec recovery 3.2)', () => {
    for (const loss of [0.5, 0.3, 0.1, 0.01]) {
      const pair = new ConnectedPair();
      pair.filter = () => !pair.chance(loss);
      expect(isPattern(pump(pair, open(pair), 500_000), 500_000)).toBe(true);
    }
  });

  it('sends probes when the tail is lost, and doubles the interval (spec recovery 4)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10));
    pair.run();
    pair.now += TAIL_REPEAT_UNSURE_MS;
    const at = pair.now;
    let dropped = 0;
    pair.filter = (packet) => packet.from !== 'client' || ++dropped > 6;
    stream.write(pattern(10));
    stream.finish();
    pair.run();
    const probes = [
      ...new Set(pair.sent.filter((p) => p.from === 'client' && p.at > at).map((p) => p.at - at)),
    ];
    expect(probes.length).toBeGreaterThanOrEqual(3);
    expect((probes[2] as number) / (probes[1] as number)).toBeGreaterThan(1.5);
    expect(readAll(incoming(pair, 'relay')).length).toBe(20);
    expect(incoming(pair, 'relay').readFinished).toBe(true);
  });

  it('closes both directions of a stream once each side has finished', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10));
    stream.finish();
    pair.run();
    const answer = incoming(pair, 'relay');
    readAll(answer);
    answer.write(pattern(20));
    answer.finish();
    pair.run();
    expect(readAll(stream)).toEqual(pattern(20));
    pair.run();
    expect(pair.events.client.at(-1)?.type).toBe('stream-closed');
    expect(pair.events.relay.at(-1)?.type).toBe('stream-closed');
    expect(pair.client.parts.streams.openStreams).toBe(0);
    expect(pair.relay.parts.streams.openStreams).toBe(0);
  });

  it('reports a reset to the reader and discards unread bytes (spec streams 4.4)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(50_000));
    pair.run();
    stream.reset(StreamErrorCode.connectionReset);
    pair.run();
    const reset = pair.events.relay.find((e) => e.type === 'stream-reset');
    expect(reset).toMatchObject({ code: StreamErrorCode.connectionReset });
    expect(pair.relay.parts.streams.credit.unreadBytes).toBe(0);
  });

  it('answers STOP_SENDING with a reset, and discards what still arrives (spec streams 4.5)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(200_000));
    pair.run(15);
    incoming(pair, 'relay').stopSending(StreamErrorCode.cancelled);
    incoming(pair, 'relay').finish();
    pair.run();
    expect(pair.events.client.some((e) => e.type === 'stream-stopped')).toBe(true);
    expect(pair.events.relay.some((e) => e.type === 'stream-reset')).toBe(false);
    expect(pair.relay.parts.streams.credit.unreadBytes).toBe(0);
    expect(pair.client.parts.streams.sending.bufferedBytes).toBe(0);
    expect(stream.write(pattern(10))).toBe(0);
  });

  it('stops a writer whose reader does not read, and continues when it does (spec streams 5.2)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    const data = pattern(4_000_000);
    let written = stream.write(data);
    pair.run();
    while (written < data.length) {
      const more = stream.write(data.subarray(written));
      pair.run();
      if (more === 0) break;
      written += more;
    }
    expect(pair.relay.parts.streams.credit.unreadBytes).toBe(OPENING_WINDOW_BYTES);
    expect(written).toBeLessThan(data.length);
    const got = readAll(incoming(pair, 'relay')).length;
    pair.run();
    expect(got + readAll(incoming(pair, 'relay')).length).toBeGreaterThan(OPENING_WINDOW_BYTES);
  });

  it('does not let a stream that nobody reads stop 99 others (spec streams 5.3)', () => {
    const pair = new ConnectedPair();
    const unread = open(pair);
    unread.write(pattern(1_000_000));
    pair.run();
    const others = Array.from({ length: 99 }, () => open(pair));
    for (const stream of others) {
      stream.write(pattern(15_000));
      stream.finish();
    }
    pair.run();
    for (let i = 0; i < others.length; i++) {
      expect(isPattern(readAll(incoming(pair, 'relay', i + 1)), 15_000)).toBe(true);
    }
    expect(isPattern(pump(pair, open(pair), 5_000_000), 5_000_000)).toBe(true);
    expect(pair.relay.parts.streams.credit.unreadBytes).toBeLessThanOrEqual(OPENING_WINDOW_BYTES);
  });

  it('opens no more streams than the peer permits, and more when some are over (spec streams 5.4)', () => {
    const pair = new ConnectedPair({ maxOpenStreams: 130 });
    pair.client.requestHello();
    pair.relay.requestHello();
    pair.run();
    const streams = Array.from({ length: 130 }, () => open(pair));
    expect(pair.client.openStream()).toBeUndefined();
    for (const stream of streams.slice(0, 2)) {
      stream.reset(0);
      stream.stopSending(0);
    }
    pair.run();
    for (const index of [0, 1]) incoming(pair, 'relay', index).finish();
    pair.run();
    expect(pair.client.openStream()).toBeDefined();
    expect(pair.client.openStream()).toBeDefined();
    expect(pair.client.openStream()).toBeUndefined();
  });

  it('sends MAX_STREAMS again if it was lost (spec streams 5.4)', () => {
    const pair = new ConnectedPair({ maxOpenStreams: 128 });
    const streams = Array.from({ length: 128 }, () => open(pair));
    for (const stream of streams) stream.finish();
    pair.run();
    for (let index = 0; index < 128; index++) {
      const stream = incoming(pair, 'relay', index);
      readAll(stream);
      stream.finish();
    }
    // Everything that the relay sends for half a second is lost, including MAX_STREAMS.
    const lostUntil = pair.now + 500;
    pair.filter = ({ from, at }) => from === 'client' || at > lostUntil;
    pair.run();
    for (const stream of streams) readAll(stream);
    expect(pair.client.openStream()).toBeDefined();
  });
});

describe('a peer that breaks a rule is disconnected with a code that says which', () => {
  const cases: readonly [string, Uint8Array, number][] = [
    ['an unknown frame (spec streams 2.1)', Uint8Array.of(0x20), ConnectionErrorCode.frameEncoding],
    [
      'a truncated frame (spec streams 1.4)',
      Uint8Array.of(FrameType.stream, 0),
      ConnectionErrorCode.frameEncoding,
    ],
    [
      'data beyond the stream limit (spec streams 5.1: "with FLOW_CONTROL or STREAM_LIMIT")',
      streamFrame(0, INITIAL_MAX_STREAM_DATA_BYTES, pattern(1)),
      ConnectionErrorCode.flowControl,
    ],
    [
      'data beyond the connection limit (spec streams 5.1)',
      streamFrame(0, 2 ** 40, pattern(1)),
      ConnectionErrorCode.flowControl,
    ],
    [
      'a stream beyond the limit (spec streams 4.1: "MUST close the connection with STREAM_LIMIT")',
      streamFrame(2 * 1024, 0, pattern(1)),
      ConnectionErrorCode.streamLimit,
    ],
    [
      'a stream that only we may open (spec streams 4.1: "MUST close the connection with STREAM_STATE")',
      streamFrame(1, 0, pattern(1)),
      ConnectionErrorCode.streamState,
    ],
    [
      'an ACK of a packet that was never sent (spec streams 2.2: "a packet it never sent")',
      Uint8Array.of(FrameType.ack, 9, 0, 0, 0),
      ConnectionErrorCode.protocolViolation,
    ],
    [
      'too many frames (spec streams 2.3)',
      new Uint8Array(600).fill(FrameType.ping),
      ConnectionErrorCode.protocolViolation,
    ],
  ];
  it.each(cases)('%s', (_, frames, code) => {
    const pair = new ConnectedPair();
    expect(failureCode(pair.inject('relay', 0, frames))).toBe(code);
  });

  it('only beyond the limit on frames in a packet, not at it (spec streams 2.3)', () => {
    const pair = new ConnectedPair();
    const pings = (count: number) => new Uint8Array(count).fill(FrameType.ping);
    expect(pair.inject('relay', 0, pings(MAX_FRAMES_PER_PACKET))).toBeUndefined();
    expect(failureCode(pair.inject('relay', 1, pings(MAX_FRAMES_PER_PACKET + 1)))).toBe(
      ConnectionErrorCode.protocolViolation,
    );
  });

  it('data beyond the final size, and another final size (spec streams 4.4)', () => {
    const pair = new ConnectedPair();
    pair.inject('relay', 0, streamFrame(0, 0, pattern(10), true));
    expect(failureCode(pair.inject('relay', 1, streamFrame(0, 5, pattern(10))))).toBe(
      ConnectionErrorCode.finalSize,
    );
    const reset = new Uint8Array(16);
    const end = writeResetStream(reset, 0, 0, 0, 9);
    expect(failureCode(pair.inject('relay', 2, reset.subarray(0, end)))).toBe(ConnectionErrorCode.finalSize);
  });

  it('an ACK that is refused, which changes nothing (spec recovery 3.4: "refused MUST NOT change anything")', () => {
    const pair = new ConnectedPair();
    open(pair).write(pattern(1));
    pair.filter = () => false;
    pair.run(5);
    const { recovery } = pair.client.parts;
    const { next } = recovery.log;
    const before = recovery.bytesInFlight;
    expect(before).toBeGreaterThan(0);
    // The range reaches from a number that was never sent down to 0, over everything in flight.
    const whole = Uint8Array.of(FrameType.ack, next, 0, 0, next);
    expect(failureCode(pair.inject('client', 0, whole))).toBe(ConnectionErrorCode.protocolViolation);
    expect(recovery.bytesInFlight).toBe(before);
    expect(recovery.largestAcked).toBe(-1);
    expect(recovery.isOutstanding(0)).toBe(true);
  });

  it('an ACK of a skipped packet number (spec streams 2.2)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    const codes = new Set<number | undefined>();
    // No acknowledgement comes back, so every number from 0 is still remembered when the false one arrives.
    pair.filter = () => false;
    for (let round = 0; round < 300; round++) {
      stream.write(pattern(1));
      pair.run(10_000, () => false);
      const { log } = pair.client.parts.recovery;
      const numbers = new Set(pair.sent.filter((p) => p.from === 'client').map((p) => p.number));
      for (let n = 0; n < log.next; n++)
        if (!numbers.has(n)) codes.add(failureCode(pair.inject('client', round, ack(n))));
      if (codes.size > 0) break;
    }
    expect([...codes]).toEqual([ConnectionErrorCode.protocolViolation]);
  });

  it('ignores a packet whose number it has seen (spec streams 1.2: "whose number it has already seen")', () => {
    const pair = new ConnectedPair();
    expect(pair.inject('relay', 0, streamFrame(0, 0, pattern(10)))).toBeUndefined();
    expect(pair.inject('relay', 0, streamFrame(0, 10, pattern(10)))).toEqual({ dropped: 'duplicate-packet' });
  });

  it('ignores frames for a stream that is over (spec streams 4.7)', () => {
    const pair = new ConnectedPair();
    const stream = open(pair);
    stream.write(pattern(10));
    stream.finish();
    pair.run();
    readAll(incoming(pair, 'relay'));
    incoming(pair, 'relay').finish();
    pair.run();
    readAll(stream);
    pair.run();
    expect(pair.inject('relay', 900, streamFrame(0, 0, pattern(10), true))).toBeUndefined();
    expect(pair.events.relay.filter((e) => e.type === 'stream-opened')).toHaveLength(1);
  });

  it('does not acknowledge a packet that would make too many pieces (spec streams 4.6: "without acknowledging it")', () => {
    const pair = new ConnectedPair();
    for (let i = 0; i < MAX_REASSEMBLY_PIECES; i++) {
      expect(pair.inject('relay', i, streamFrame(0, 2 * i + 1, pattern(1)))).toBeUndefined();
    }
    const next = 2 * MAX_REASSEMBLY_PIECES + 1;
    expect(pair.inject('relay', 5000, streamFrame(0, next, pattern(1)))).toEqual({
      dropped: 'reassembly-full',
    });
    expect(pair.inject('relay', 5001, streamFrame(0, 0, pattern(1)))).toBeUndefined();
  });

  it('never lowers a limit (spec streams 5.1)', () => {
    const pair = new ConnectedPair();
    const lower = new Uint8Array(16);
    const end = writeLimit(lower, 0, FrameType.maxData, 1);
    pair.inject('client', 0, lower.subarray(0, end));
    expect(pair.client.parts.streams.credit.available).toBe(1024 * 1024);
  });

  it('never sends the challenge of a trial that is over, even if another address is on trial (spec path 3: "MUST NOT be sent to any other address")', () => {
    const [former, current] = [new Uint8Array(8).fill(0xa1), new Uint8Array(8).fill(0xb2)];
    for (const [onTrial, isSent] of [
      [undefined, false],
      [current, false],
      [former, true],
    ] as const) {
      const pair = new ConnectedPair();
      pair.client.challenge(former);
      pair.client.discardChallenge(onTrial);
      pair.run(15);
      const challenge = Buffer.from([FrameType.pathChallenge, ...former]);
      expect(pair.sent.some(({ bytes }) => Buffer.from(bytes).includes(challenge))).toBe(isSent);
    }
  });

  it('keeps at most three answers to PATH_CHALLENGE (spec streams 2.4)', () => {
    const pair = new ConnectedPair();
    const challenges = new Uint8Array(9 * 10);
    for (let i = 0; i < 10; i++) challenges.fill(i, 9 * i).fill(FrameType.pathChallenge, 9 * i, 9 * i + 1);
    pair.inject('relay', 0, challenges);
    const bytes = new Uint8Array(1168);
    pair.relay.pollPacket(pair.now, 1, bytes, 0, bytes.length);
    const answers = bytes.join().match(/27,(\d),\1,\1,\1,\1,\1,\1,\1/g);
    expect(answers?.map((text) => text[3])).toEqual(['7', '8', '9']);
  });
});

/** Writes `total` patterned bytes to `stream`, and reads them on the other side as they arrive. */
function pump(pair: ConnectedPair, stream: Stream, total: number): Uint8Array {
  const data = pattern(total);
  const got = new Uint8Array(total);
  let written = 0;
  let read = 0;
  let finished = false;
  const work = () => {
    if (written < total) written += stream.write(data.subarray(written, written + 50_000));
    else if (!finished) {
      finished = true;
      stream.finish();
    }
    const other = pair.events.relay
      .filter((e) => e.type === 'stream-opened')
      .find((e) => e.stream.id === stream.id)?.stream;
    for (let part = other?.read(); part !== undefined; part = other?.read()) {
      got.set(part, read);
      read += part.length;
    }
    return other?.readFinished ?? false;
  };
  pair.run(600_000, work);
  return got.subarray(0, read);
}
