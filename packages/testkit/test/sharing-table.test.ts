/** How two tunnels share a link (spec congestion 4.5), on a slower link than that of
 *  docs/sharing-table.txt, so that the test takes seconds. */
import { expect, it } from 'vitest';
import { measureSharing, SHARED_LINK, SHARINGS } from '../src/sharing-table.js';

const SLOWER_LINK = { ...SHARED_LINK, bytesPerMs: 500 };

it.each(SHARINGS)('$second gets a fair share beside $first, starting $startMs ms later', (sharing) => {
  const { shares } = measureSharing(sharing, SLOWER_LINK);
  expect(shares.at(-1)).toBeGreaterThan(0.3);
  expect(shares.at(-1)).toBeLessThan(0.7);
});
