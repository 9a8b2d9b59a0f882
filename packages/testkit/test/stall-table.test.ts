/** What is left of a link when processes stand still now and then, in runs that are shorter than those of
 *  docs/stall-table.txt. */
import { describe, expect, it } from 'vitest';
import { measureStalls, STALL_LINK, STALL_ROWS, type StallRow } from '../src/stall-table.js';

const SHORT_LINK = { ...STALL_LINK, durationMs: 6_000 };
/** Of what processes that always run use of the same link. */
const MIN_SHARE = 0.88;

const [undisturbed, ...stalled] = STALL_ROWS as [StallRow, ...StallRow[]];

describe('a link between processes that stand still', () => {
  const use = measureStalls(undisturbed, 1, SHORT_LINK);

  it('is well used while they do not', () => {
    expect(use).toBeGreaterThan(0.7);
  });

  it.each(stalled)('loses less than an eighth of its use: $name (spec recovery 6)', (row) => {
    expect(measureStalls(row, 1, SHORT_LINK)).toBeGreaterThan(MIN_SHARE * use);
  });
});
