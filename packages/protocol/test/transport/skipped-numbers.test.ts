import { describe, expect, it } from 'vitest';
import { PacketKind, PacketLog } from '../../src/transport/recovery/packet-log.js';
import { SkippedNumbers } from '../../src/transport/skipped-numbers.js';

describe('SkippedNumbers', () => {
  it('skips about one number per window, and never two that are close to each other', () => {
    let seed = 1;
    const random = (length: number) =>
      Uint8Array.from({ length }, () => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        return seed >>> 24;
      });
    const log = new PacketLog();
    const skipped = new SkippedNumbers(random);
    const left: number[] = [];
    while (log.next < 100_000) {
      const before = log.next;
      skipped.skipIfDue(log, 500);
      if (log.next > before) left.push(before);
      log.acknowledge(log.push(0, 1200, PacketKind.ackEliciting));
      log.forget(0);
    }
    const distances = left.slice(1).map((number, i) => number - (left[i] as number));
    expect(Math.min(...distances)).toBeGreaterThan(64);
    expect(Math.max(...distances)).toBeLessThanOrEqual(64 + 1000);
    expect(left.length).toBeGreaterThan(100_000 / 800);
  });
});
