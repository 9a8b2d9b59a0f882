import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_RECEIVED_RANGES } from '../../../src/transport/limits.js';
import { ReceivedPackets } from '../../../src/transport/recovery/received-packets.js';
import { FrameReader } from '../../../src/transport/wire/frame-reader.js';
import { FrameType } from '../../../src/transport/wire/frames.js';

function readAck(received: ReceivedPackets, now: number, room = 1000): [number, number][] {
  const bytes = new Uint8Array(1000);
  const end = received.writeAck(now, bytes, 0, room);
  expect(end).toBeLessThanOrEqual(room);
  if (end === 0) return [];
  received.ackSent();
  const reader = new FrameReader();
  reader.begin(bytes, 0, end);
  expect(reader.next()).toBe(FrameType.ack);
  return Array.from({ length: reader.rangeCount }, (_, i) => [
    reader.rangeLow[i] as number,
    reader.rangeHigh[i] as number,
  ]);
}

describe('ReceivedPackets', () => {
  it('acknowledges after 25 ms, or at once after the second packet or one out of order (spec recovery 1.1: "within 25 ms")', () => {
    const received = new ReceivedPackets();
    received.record(100, 0, true);
    expect(received.isAckDue(100)).toBe(false);
    expect(received.pollTimeout()).toEqual({ at: 125, reason: 'acknowledgement' });
    expect(received.isAckDue(125)).toBe(true);
    received.record(101, 1, true);
    expect(received.isAckDue(101)).toBe(true);
    readAck(received, 101);
    received.record(102, 3, true);
    expect(received.isAckDue(102)).toBe(true);
    readAck(received, 102);
    received.record(103, 2, true);
    expect(received.isAckDue(103)).toBe(true);
  });

  it.each<readonly [string, (received: ReceivedPackets, at: number) => void]>([
    ['the second packet', (received, at) => received.record(at, 1, true)],
    ['a gap', (received, at) => received.record(at, 7, true)],
    ['a packet out of order', (received, at) => [5, 4].forEach((n) => void received.record(at, n, true))],
    ['time', () => undefined],
  ])('waits again after an ACK that was due because of %s (spec recovery 1.1)', (_what, cause) => {
    const received = new ReceivedPackets();
    received.record(100, 0, true);
    cause(received, 100);
    expect(received.isAckDue(125)).toBe(true);
    readAck(received, 125);
    expect(received.isAckDue(10_000)).toBe(false);
    received.record(200, received.largest + 1, true);
    expect(received.isAckDue(200)).toBe(false);
    expect(received.pollTimeout()?.at).toBe(225);
  });

  it('does not acknowledge packets that only acknowledge (spec streams 7)', () => {
    const received = new ReceivedPackets();
    for (const n of [0, 5, 3]) received.record(100, n, false);
    expect(received.isAckDue(1000)).toBe(false);
    expect(received.pollTimeout()).toBeUndefined();
  });

  it('reports exactly what arrived, highest ranges first, as far as there is room (spec recovery 1.2)', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(80), { minLength: 1, maxLength: 50 }),
        fc.integer({ min: 8, max: 200 }),
        (numbers, room) => {
          const received = new ReceivedPackets();
          for (const n of numbers) received.record(0, n, true);
          const listed = readAck(received, 0, room).flatMap(([low, high]) =>
            Array.from({ length: high - low + 1 }, (_, i) => high - i),
          );
          const sorted = [...numbers].sort((a, b) => b - a);
          expect(listed).toEqual(sorted.slice(0, listed.length));
          expect(listed[0]).toBe(sorted[0]);
        },
      ),
    );
  });

  it('forgets the lowest ranges first, and treats what it has forgotten as duplicates (spec recovery 1.2)', () => {
    const received = new ReceivedPackets();
    for (let n = 0; n < 2 * MAX_RECEIVED_RANGES + 20; n += 2) received.record(0, n, true);
    expect(received.rangeCount).toBe(MAX_RECEIVED_RANGES);
    expect(received.isDuplicate(1)).toBe(true);
    expect(received.isDuplicate(2 * MAX_RECEIVED_RANGES + 17)).toBe(false);
  });

  it('stops reporting ranges that the peer is known to have seen (spec recovery 1.2)', () => {
    const received = new ReceivedPackets();
    for (const n of [0, 1, 2, 5, 6, 9]) received.record(0, n, true);
    received.onAckAcknowledged(6);
    expect(readAck(received, 0)).toEqual([[9, 9]]);
    expect(received.isDuplicate(3)).toBe(true);
    expect(received.isDuplicate(7)).toBe(false);
    // The largest number stays, because every ACK has to contain it.
    received.onAckAcknowledged(9);
    expect(readAck(received, 0)).toEqual([[9, 9]]);
  });

  it('takes a copy of any packet in a range that it has forgotten for a duplicate (spec recovery 1.2)', () => {
    const received = new ReceivedPackets();
    for (const n of [10, 11, 12]) received.record(0, n, true);
    for (let i = 1; i <= MAX_RECEIVED_RANGES; i++) received.record(0, 12 + 2 * i, true);
    expect(received.rangeCount).toBe(MAX_RECEIVED_RANGES);
    expect([9, 10, 11, 12, 13, 14].map((n) => received.isDuplicate(n))).toEqual([
      true,
      true,
      true,
      true,
      false,
      true,
    ]);
  });

  it('has news until an ACK is sent, and writes none before anything has arrived', () => {
    const received = new ReceivedPackets();
    expect([received.hasNews, readAck(received, 0)]).toEqual([false, []]);
    received.record(0, 0, false);
    expect([received.hasNews, readAck(received, 0)]).toEqual([true, [[0, 0]]]);
    expect(received.hasNews).toBe(false);
  });

  it('reports the delay since the largest number arrived, not since a later packet or a copy', () => {
    const received = new ReceivedPackets();
    received.record(100, 5, true);
    received.record(108, 3, true);
    const bytes = new Uint8Array(100);
    const end = received.writeAck(110, bytes, 0, 100);
    const reader = new FrameReader();
    reader.begin(bytes, 0, end);
    reader.next();
    expect(reader.ackDelayUnits).toBe(10 * 125);
  });

  it('writes as many ranges as fit, and nothing into less than one range needs', () => {
    const received = new ReceivedPackets();
    for (const n of [0, 2, 4]) received.record(0, n, true);
    const lengths = Array.from({ length: 12 }, (_, room) =>
      received.writeAck(0, new Uint8Array(20), 0, room),
    );
    // One range takes 5 bytes, and each further one takes 2. One more byte is kept for a large count of ranges.
    expect(lengths).toEqual([0, 0, 0, 0, 0, 0, 5, 5, 7, 7, 9, 9]);
  });
});
