/** How a limit on a peer's rate is written: `10 MB/s`. */
import type { Refusal } from './forward-spec.js';

export interface MaxRate {
  /** As the user wrote it. */
  readonly text: string;
  /** In each direction. */
  readonly bytesPerSecond: number;
}

/** Less would not carry a full datagram in a second; more is no limit. */
export const MIN_RATE_BYTES_PER_SECOND = 1000;
export const MAX_RATE_BYTES_PER_SECOND = 100e9;

const PREFIXES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** A number, then B/s or bit/s with a prefix: `10 MB/s`, `1.5 MiB/s`, `100 Mbit/s`. */
export function parseMaxRate(text: string): MaxRate | Refusal {
  const [, number, prefix = '', unit] =
    /^(\d{1,6}(?:\.\d{1,3})?) ?(k|M|G|Ki|Mi|Gi)?(B|bit)\/s$/.exec(text) ?? [];
  const factor = PREFIXES[prefix];
  if (number === undefined || factor === undefined) {
    return {
      reason: `'${text}' is not a rate: expected a number and a unit, for example 10 MB/s or 100 Mbit/s`,
    };
  }
  const bytesPerSecond = (Number(number) * factor) / (unit === 'bit' ? 8 : 1);
  if (bytesPerSecond < MIN_RATE_BYTES_PER_SECOND || bytesPerSecond > MAX_RATE_BYTES_PER_SECOND) {
    return { reason: `'${text}' is not a possible rate: expected 1 kB/s to 100 GB/s` };
  }
  return { text, bytesPerSecond };
}
