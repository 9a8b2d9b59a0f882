/** A relay and its clients over a simulated network: the bytes that go in come out, and every rule of
 *  @underpass/testkit is kept, whatever the network does. `node scripts/simulate.mjs --seed N --trace` shows a seed
 *  that failed. Scenarios that showed a bug are kept for good, as they were drawn. */
import { readdirSync, readFileSync } from 'node:fs';
import { createPortableSuite } from '@underpass/protocol';
import {
  createInsecureTestSuite,
  type RunStats,
  runDrawn,
  runScenario,
  SCENARIO_NAMES,
  type Scenario,
} from '@underpass/testkit';

import { describe, expect, test } from 'vitest';

const SEEDS = 100;
const GROUP = 20;
const SEEDS_OF_EACH_SCENARIO = 2;

/** A scenario that showed a bug. It is stored whole, because a later version may draw another scenario from its
 *  seed. */
interface Regression {
  readonly reason: string;
  readonly seed: number;
  readonly scenario: Scenario;
}
const REGRESSIONS_FOLDER = new URL('../../../testkit/regressions/', import.meta.url);
const REGRESSIONS = readdirSync(REGRESSIONS_FOLDER).map(
  (name): Regression => JSON.parse(readFileSync(new URL(name, REGRESSIONS_FOLDER), 'utf8')),
);

describe('a relay and its clients over a bad network', () => {
  const totals: Partial<Record<keyof RunStats, number>> = {};
  for (let first = 1; first <= SEEDS; first += GROUP) {
    test(`keep the promises of streams and every rule, seeds ${first} to ${first + GROUP - 1}`, () => {
      for (let seed = first; seed < first + GROUP; seed++) {
        const { violations, stats } = runScenario(seed);
        expect(violations, `node scripts/simulate.mjs --seed ${seed} --trace`).toEqual([]);
        for (const [name, value] of Object.entries(stats) as [keyof RunStats, number][]) {
          totals[name] = (totals[name] ?? 0) + value;
        }
      }
    });
  }

  test('have met everything that a network and a process can do', () => {
    for (const [name, value] of Object.entries(totals)) {
      if (name !== 'healed' && name !== 'messages') expect(value, name).toBeGreaterThan(2);
    }
    expect(totals.bytes).toBeGreaterThan(50_000_000);
    expect(totals.datagramsSent).toBeGreaterThan(100_000);
  });

  test.each([1001, 1002, 1003, 1004])('keep them with the real portable crypto too, seed %i', (seed) => {
    expect(runScenario(seed, { suite: createPortableSuite() }).violations).toEqual([]);
  });
});

describe.each(SCENARIO_NAMES.filter((name) => name !== 'any'))(
  'a relay and its clients in trouble: %s',
  (scenario) => {
    test('keep the promises of streams and every rule', () => {
      for (let seed = 1; seed <= SEEDS_OF_EACH_SCENARIO; seed++) {
        const { violations } = runScenario(seed, { scenario });
        expect(violations, `node scripts/simulate.mjs --seed ${seed} --scenario ${scenario} --trace`).toEqual(
          [],
        );
      }
    });
  },
);

describe('a bug of the past', () => {
  test.each(REGRESSIONS)('stays fixed: $reason', ({ seed, scenario }) => {
    expect(runDrawn(seed, scenario).violations).toEqual([]);
  });
});

describe('a seed', () => {
  test('replays exactly, with the same datagrams and events at the same times', () => {
    for (const seed of [1, 2, 3, 4, 5]) expect(runScenario(seed).digest).toBe(runScenario(seed).digest);
  });

  test('gives a run of its own', () => {
    const digests = new Set([1, 2, 3, 4, 5].map((seed) => runScenario(seed).digest));
    expect(digests.size).toBe(5);
  });

  test('replays exactly whether or not somebody watches', () => {
    const lines: string[] = [];
    const watched = runScenario(6, { trace: (line) => lines.push(line) });
    expect(watched.digest).toBe(runScenario(6).digest);
    expect(lines.length).toBeGreaterThan(watched.stats.datagramsSent);
  });
});

describe('the model', () => {
  test('notices bytes that the crypto should have refused', () => {
    const suite = createInsecureTestSuite();
    const gullible = {
      ...suite,
      aead(key: Uint8Array) {
        const aead = suite.aead(key);
        const open: typeof aead.open = (high, low, buffer, offset, length, additional) => {
          if (aead.open(high, low, buffer, offset, length, additional)) return true;
          // The keystream is XORed, so sealing again removes it, and altered bytes stay altered.
          aead.seal(high, low, buffer, offset, length - 16, additional);
          return true;
        };
        return { open, seal: aead.seal.bind(aead), destroy: aead.destroy.bind(aead) };
      },
    };
    const seeds = Array.from({ length: 20 }, (_, i) => 1 + i);
    const caught = seeds
      .filter((seed) => runScenario(seed).stats.corrupted > 10)
      .map((seed) => runScenario(seed, { suite: gullible }).violations.length > 0);
    expect(caught.length).toBeGreaterThan(2);
    expect(caught).not.toContain(false);
  });
});
