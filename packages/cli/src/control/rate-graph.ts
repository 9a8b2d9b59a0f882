/** The last minutes of a process's rates, as a small graph of characters. */
import type { Report } from './collect-reports.js';
import { measuredPeers, type Rates } from './rates.js';

/** How many samples are kept of each process. A wide terminal shows all of them. */
export const MAX_GRAPH_SAMPLES = 240;
/** How many processes are followed. */
export const MAX_GRAPHS = 64;

const LEVELS = '▁▂▃▄▅▆▇█';

/** Remembers the rates of every process that is watched. Call `add` with each round of reports; processes that are
 *  missing from a round are forgotten. */
export class RateHistory {
  #samples = new Map<string, readonly Rates[]>();

  /** @param before  the reports of the previous round */
  add(reports: readonly Report[], before: readonly Report[]): void {
    const samples = new Map<string, readonly Rates[]>();
    for (const report of reports.slice(0, MAX_GRAPHS)) {
      const name = nameOf(report);
      const known = this.#samples.get(name) ?? [];
      const earlier = before.find((other) => nameOf(other) === name);
      const added = earlier === undefined ? [] : [totalRates(earlier, report)];
      samples.set(name, [...known, ...added].slice(-MAX_GRAPH_SAMPLES));
    }
    this.#samples = samples;
  }

  /** The oldest first. */
  of(report: Report): readonly Rates[] {
    return this.#samples.get(nameOf(report)) ?? [];
  }
}

/** The rates of all peers together. */
export function totalRates(before: Report, after: Report): Rates {
  let sentBytesPerSecond = 0;
  let receivedBytesPerSecond = 0;
  for (const { rates } of measuredPeers(before, after)) {
    sentBytesPerSecond += rates?.sentBytesPerSecond ?? 0;
    receivedBytesPerSecond += rates?.receivedBytesPerSecond ?? 0;
  }
  return { sentBytesPerSecond, receivedBytesPerSecond };
}

/** One character for each of the last `columns` values, as high as its share of the greatest. */
export function graphOf(values: readonly number[], columns: number): string {
  const shown = values.slice(-columns);
  const greatest = Math.max(1, ...shown);
  const characters = shown.map((value) => {
    const level = Math.ceil((value / greatest) * (LEVELS.length - 1));
    return LEVELS[Math.min(level, LEVELS.length - 1)] ?? '';
  });
  return characters.join('').padStart(columns, ' ');
}

function nameOf({ kind, pid }: Report): string {
  return `${kind} ${pid}`;
}
