/** Draws the streams of a client, and what each side does with them. */
import type { EndPlan, StreamPlan } from './scenario.js';
import type { SeededRandom } from './simulation/seeded-random.js';

/** The kinds of streams, of which each seed has one:
 *  - mixed: mostly small ones, a few large
 *  - crowd: enough to reach the limit on streams
 *  - bulk: large ones that reach the limits on bytes, with slow readers */
export type StreamKind = 'mixed' | 'crowd' | 'bulk';

export function drawStreams(random: SeededRandom, kind: StreamKind, spreadMs: number): StreamPlan[] {
  const count = {
    mixed: () => random.magnitude(1, 30),
    crowd: () => random.integer(130, 400),
    bulk: () => random.integer(4, 14),
  }[kind]();
  const relayShare = random.pick([0, 0.2, 0.5, 1]);
  const plans: StreamPlan[] = [];
  for (let i = 0; i < count; i++) {
    plans.push({
      openedBy: random.chance(relayShare) ? 'relay' : 'client',
      openAt: random.between(0, kind === 'mixed' ? spreadMs : Math.min(spreadMs, 3_000)),
      // Only one side may wait for the other's FIN, or both would wait forever.
      opener: { ...drawEnd(random, kind), finishAfterRead: false },
      answerer: drawEnd(random, kind),
      openerStart: random.integer(0, 60_000),
      answererStart: random.integer(0, 60_000),
    });
  }
  return plans.sort((a, b) => a.openAt - b.openAt);
}

function drawEnd(random: SeededRandom, kind: StreamKind): EndPlan {
  const isBulk = kind === 'bulk';
  const sizeBytes = drawSize(random, kind);
  const isSlowWriter = random.chance(0.15);
  const isSlowReader = random.chance(isBulk ? 0.4 : 0.2);
  const chunkBytes = random.magnitude(Math.max(1, Math.ceil(sizeBytes / 2_000)), 65_536);
  const early = (chance: number, longestMs: number): number | undefined =>
    random.chance(isBulk ? 2 * chance : chance) ? random.magnitude(1, longestMs) - 1 : undefined;
  return {
    sizeBytes,
    chunkBytes,
    // The slowest writer takes about 20 s in all.
    writePauseMs: isSlowWriter
      ? random.between(0, (20_000 * chunkBytes) / Math.max(chunkBytes, sizeBytes))
      : 0,
    finishAfterRead: random.chance(0.4),
    readDelayMs: random.chance(isBulk ? 0.7 : 0.1) ? random.magnitude(isBulk ? 500 : 1, 10_000) : 0,
    readPieces: isSlowReader ? random.integer(1, 8) : 0,
    readPauseMs: isSlowReader ? random.magnitude(1, 300) : 0,
    resetAfterMs: early(0.06, 8_000),
    resetAfterFinishMs: early(0.05, 400),
    stopAfterMs: early(0.08, 8_000),
    code: random.integer(0, 3),
  };
}

function drawSize(random: SeededRandom, kind: StreamKind): number {
  if (kind === 'crowd') return random.integer(0, 200);
  const share = random.fraction();
  // The small ones find the connection's window used up by the large ones.
  if (kind === 'bulk') return share < 0.5 ? random.integer(0, 60_000) : random.magnitude(100_000, 1_500_000);
  if (share < 0.1) return 0;
  if (share < 0.5) return random.magnitude(1, 2_000);
  if (share < 0.9) return random.magnitude(1_000, 60_000);
  if (share < 0.985) return random.magnitude(50_000, 500_000);
  return random.magnitude(500_000, 4_000_000);
}
