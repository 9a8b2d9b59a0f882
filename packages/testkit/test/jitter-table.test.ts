/** Goodput with jitter and loss together, in shorter runs than those of docs/jitter-table.txt. */
import { describe, expect, it } from 'vitest';
import { JITTER_KINDS, JITTER_LINK, measureJitter } from '../src/jitter-table.js';

const SHORT_LINK = { ...JITTER_LINK, durationMs: 8_000 };
/** As a share of the goodput with the same loss and without jitter. */
const MIN_SHARE = 0.7;

describe.each([0, 0.1])('goodput at a loss of %f', (lossChance) => {
  const calm = measureJitter({ kind: 'drift', spread: 0, lossChance }, SHORT_LINK);

  it.each(JITTER_KINDS.flatMap((kind) => [0.25, 0.5].map((spread) => ({ kind, spread }))))(
    'is not reduced by a delay that varies by $spread ($kind) (spec congestion 4.3)',
    (jitter) => {
      expect(measureJitter({ ...jitter, lossChance }, SHORT_LINK)).toBeGreaterThan(MIN_SHARE * calm);
    },
  );
});
