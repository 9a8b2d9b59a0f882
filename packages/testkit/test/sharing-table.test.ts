/** Who gets how much of a link that two tunnels share (spec congestion 4.5), on a slower link than
 *  docs/sharing-table.txt tells of, so that it takes seconds. */
import { expect, it } from 'vitest';
import { measureSharing, SHARED_LINK, SHARINGS } from '../src/sharing-table.js';

const SLOWER_LINK = { ...SHARED_LINK, bytesPerMs: 500 };

it.each(SHARINGS)('gives $second beside $first, from $startMs ms on, a fair share in the end', (sharing) => {
  const { shares } = measureSharing(sharing, SLOWER_LINK);
  expect(shares.at(-1)).toBeGreaterThan(0.3);
  expect(shares.at(-1)).toBeLessThan(0.7);
});
