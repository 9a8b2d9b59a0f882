/** A delay that changes smoothly. */
import type { Wander } from './network-conditions.js';
import type { SeededRandom } from './seeded-random.js';

/** A straight line between two random values of the delay. */
export interface Line {
  from: number;
  until: number;
  fromMs: number;
  untilMs: number;
}

const MIN_LINE_MS = 20;
const LINE_PER_SPREAD = 2.5;
const MAX_SILENT_LINES = 8;

export function idleLine(): Line {
  return { from: 0, until: 0, fromMs: 0, untilMs: 0 };
}

/** The difference of the delay from its mean. A line lasts 2.5 times the spread, so its slope stays below 1 and
 *  datagrams keep their order.
 *
 *  @param line  advanced to the line that contains `at` */
export function wanderedMs(
  { spreadMs, periodMs }: Wander,
  line: Line,
  at: number,
  random: SeededRandom,
): number {
  if (periodMs !== undefined) return spreadMs * Math.sin((2 * Math.PI * at) / periodMs);
  const lineMs = Math.max(MIN_LINE_MS, LINE_PER_SPREAD * spreadMs);
  // After a long silence the delay starts at a new value.
  if (at > line.until + MAX_SILENT_LINES * lineMs) {
    line.until = at;
    line.untilMs = random.between(-spreadMs, spreadMs);
  }
  while (at >= line.until) {
    line.from = line.until;
    line.fromMs = line.untilMs;
    line.until += lineMs;
    line.untilMs = random.between(-spreadMs, spreadMs);
  }
  const share = (at - line.from) / (line.until - line.from);
  return line.fromMs + share * (line.untilMs - line.fromMs);
}
