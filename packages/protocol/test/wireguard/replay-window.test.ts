import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplayWindow } from '../../src/wireguard/replay-window.js';

interface Vectors {
  readonly window: number;
  readonly sequence: readonly { readonly counter: string; readonly accept: boolean }[];
  readonly sweeps: readonly {
    readonly name: string;
    readonly steps: readonly { readonly from: number; readonly to: number; readonly accept: boolean }[];
  }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../testkit/vectors/replay_window.json', import.meta.url), 'utf8'),
) as Vectors;

function accept(window: ReplayWindow, counter: bigint): boolean {
  return window.accept(Number(counter >> 32n), Number(counter & 0xffff_ffffn));
}

describe('the replay window (spec session 4)', () => {
  it('accepts and refuses the sequence of the test vectors', () => {
    const window = new ReplayWindow();
    for (const [step, { counter, accept: expected }] of vectors.sequence.entries()) {
      expect([step, counter, accept(window, BigInt(counter))]).toEqual([step, counter, expected]);
    }
  });

  it.each(vectors.sweeps)('accepts and refuses the sweep of the test vectors: $name', ({ steps }) => {
    const window = new ReplayWindow();
    for (const { from, to, accept: expected } of steps) {
      const by = from <= to ? 1 : -1;
      for (let counter = from; counter !== to + by; counter += by) {
        expect([counter, accept(window, BigInt(counter))]).toEqual([counter, expected]);
      }
    }
  });

  it('agrees with a plain set of 64-bit counters after any jumps', () => {
    const jump = fc.oneof(
      fc.bigInt({ min: -40n, max: 40n }),
      fc.bigInt({ min: -9000n, max: 9000n }),
      fc.bigInt({ min: -20_000n, max: 2n ** 40n }),
    );
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.array(jump), (start, jumps) => {
        const window = new ReplayWindow();
        const seen = new Set<bigint>();
        let greatest = 0n;
        let counter = start;
        for (const by of [0n, ...jumps]) {
          counter = BigInt.asUintN(64, counter + by);
          const expected =
            counter < 2n ** 64n - 2n ** 13n - 1n &&
            counter + BigInt(vectors.window) >= greatest &&
            !seen.has(counter);
          expect(accept(window, counter)).toBe(expected);
          if (!expected) continue;
          seen.add(counter);
          if (counter > greatest) greatest = counter;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
