import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendBuffer } from '../../../src/transport/streams/send-buffer.js';

const byteAt = (offset: number) => (offset * 7 + (offset >> 5)) & 0xff;
const chunk = (start: number, length: number) => Uint8Array.from({ length }, (_, i) => byteAt(start + i));

type Step =
  | { kind: 'write'; length: number }
  | { kind: 'send'; length: number }
  | { kind: 'acknowledge' | 'lose'; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), length: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('send' as const), length: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ kind: fc.constantFrom('acknowledge' as const, 'lose' as const), pick: fc.nat(1000) }),
);

describe('SendBuffer', () => {
  it('agrees with a byte-by-byte model under any order of writes, sends, acknowledgements and losses', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const buffer = new SendBuffer();
        const state: ('new' | 'sent' | 'lost' | 'acknowledged')[] = [];
        const packets: { start: number; end: number }[] = [];
        for (const s of steps) {
          if (s.kind === 'write') {
            buffer.write(chunk(state.length, s.length));
            for (let i = 0; i < s.length; i++) state.push('new');
          } else if (s.kind === 'send') {
            send(buffer, s.length, state, packets);
          } else {
            const packet = packets[s.pick % Math.max(1, packets.length)];
            if (packet === undefined) continue;
            if (s.kind === 'acknowledge') buffer.onAcknowledged(packet.start, packet.end);
            else buffer.onLost(packet.start, packet.end);
            for (let i = packet.start; i < packet.end; i++) {
              if (s.kind === 'acknowledge') state[i] = 'acknowledged';
              else if (state[i] === 'sent') state[i] = 'lost';
            }
          }
          expect(buffer.hasLost).toBe(state.includes('lost'));
          if (buffer.hasLost) expect(buffer.lostStart).toBe(state.indexOf('lost'));
          const firstMissing = state.findIndex((x) => x !== 'acknowledged');
          expect(buffer.bufferedBytes).toBe(firstMissing < 0 ? 0 : state.length - firstMissing);
          expect(buffer.isAllAcknowledged).toBe(state.every((x) => x === 'acknowledged'));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gathers small writes, because each chunk takes more memory than its contents (spec streams 5.5)', () => {
    const buffer = new SendBuffer();
    for (let i = 0; i < 100_000; i++) buffer.write(chunk(i, 1));
    expect(buffer.chunks).toBeLessThan(50);
    const packet = new Uint8Array(1000);
    for (let at = 0; at < 100_000; at += 1000) {
      buffer.copyToPacket(at, 1000, packet, 0);
      expect(packet).toEqual(chunk(at, 1000));
    }
    buffer.onAcknowledged(0, 100_000);
    expect(buffer.chunks).toBe(0);
  });

  /** A buffer of which 30 bytes were sent, 10 of these lost and 10 acknowledged beyond a gap, and 20 were not sent. */
  function scattered(): SendBuffer {
    const buffer = new SendBuffer();
    buffer.write(chunk(0, 50));
    buffer.copyToPacket(0, 30, new Uint8Array(30), 0);
    buffer.onLost(0, 10);
    buffer.onAcknowledged(20, 30);
    expect(buffer).toMatchObject({ hasLost: true, notedPieces: 2, bufferedBytes: 50, sent: 30, written: 50 });
    return buffer;
  }

  it('gives back all memory when it is cleared, and counts everything as done', () => {
    const buffer = scattered();
    buffer.clear();
    expect(buffer).toMatchObject({
      hasLost: false,
      notedPieces: 0,
      bufferedBytes: 0,
      chunks: 0,
      isAllAcknowledged: true,
    });
  });

  it('starts over with every byte, as if none had been sent (spec streams 3.8)', () => {
    const buffer = scattered();
    buffer.rewind();
    expect(buffer).toMatchObject({ hasLost: false, notedPieces: 0, bufferedBytes: 50, sent: 0, written: 50 });
    expect(buffer.isSentAcknowledged).toBe(true);
    const packet = new Uint8Array(50);
    buffer.copyToPacket(0, 50, packet, 0);
    expect(packet).toEqual(chunk(0, 50));
    buffer.onAcknowledged(0, 10);
    expect(buffer.bufferedBytes).toBe(40);
    expect(() => buffer.rewind()).toThrow('nothing was acknowledged');
  });

  it('counts a piece once, however it is lost and acknowledged', () => {
    const buffer = scattered();
    buffer.onLost(5, 15);
    expect([buffer.lostStart, buffer.lostEnd, buffer.notedPieces]).toEqual([0, 15, 2]);
    // Bytes that are acknowledged or were never sent are not lost.
    buffer.onLost(20, 50);
    expect([buffer.lostEnd, buffer.notedPieces]).toEqual([15, 2]);
    buffer.onAcknowledged(0, 5);
    expect([buffer.lostStart, buffer.bufferedBytes]).toEqual([5, 45]);
    buffer.onAcknowledged(0, 5);
    buffer.onAcknowledged(0, 3);
    expect(buffer.bufferedBytes).toBe(45);
    buffer.onAcknowledged(5, 20);
    expect(buffer).toMatchObject({
      hasLost: false,
      notedPieces: 0,
      bufferedBytes: 20,
      isSentAcknowledged: true,
    });
    expect(buffer.isAllAcknowledged).toBe(false);
  });

  it('keeps large writes as they are, and lets go of each when it is acknowledged', () => {
    const buffer = new SendBuffer();
    const large = chunk(0, 4096);
    for (let n = 0; n < 3; n++) buffer.write(large);
    expect(buffer.chunks).toBe(3);
    buffer.copyToPacket(0, 3 * 4096, new Uint8Array(3 * 4096), 0);
    buffer.onAcknowledged(0, 4095);
    expect(buffer.chunks).toBe(3);
    buffer.onAcknowledged(4095, 4096);
    expect(buffer.chunks).toBe(2);
    buffer.onAcknowledged(2 * 4096, 3 * 4096);
    expect(buffer.chunks).toBe(2);
    buffer.onAcknowledged(4096, 2 * 4096);
    expect(buffer.chunks).toBe(0);
  });
});

function send(
  buffer: SendBuffer,
  length: number,
  state: string[],
  packets: { start: number; end: number }[],
): void {
  const start = buffer.hasLost ? buffer.lostStart : buffer.sent;
  const end = Math.min(start + length, buffer.hasLost ? buffer.lostEnd : buffer.written);
  if (end === start) return;
  const packet = new Uint8Array(end - start + 2);
  buffer.copyToPacket(start, end - start, packet, 1);
  expect(packet.slice(1, -1)).toEqual(chunk(start, end - start));
  packets.push({ start, end });
  for (let i = start; i < end; i++) state[i] = 'sent';
}
