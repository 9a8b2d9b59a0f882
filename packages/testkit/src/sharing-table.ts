/** How two tunnels share a link: a table of docs/loss.md that scripts/measure-table.mjs prints, with bounds that a test
 *  checks on a slower link. */
import type { CongestionControllerName } from '@underpass/protocol';
import { type LinkOfTransfers, measureTransfers } from './measure-transfer.js';

/** 20 Mbit/s, a round trip of 80 ms and a queue of 80 ms. */
export const SHARED_LINK: LinkOfTransfers = {
  bytesPerMs: 2_500,
  roundTripMs: 80,
  queueMs: 80,
  lossChance: 0,
  durationMs: 60_000,
};
const LATER_MS = 5_000;

export interface Sharing {
  readonly first: CongestionControllerName;
  readonly second: CongestionControllerName;
  /** When the second transfer starts. */
  readonly startMs: number;
}
export const SHARINGS: readonly Sharing[] = [
  { first: 'bbr', second: 'bbr', startMs: 0 },
  { first: 'bbr', second: 'bbr', startMs: LATER_MS },
  { first: 'bbr', second: 'cubic', startMs: 0 },
  { first: 'bbr', second: 'cubic', startMs: LATER_MS },
  { first: 'cubic', second: 'bbr', startMs: LATER_MS },
];

export interface SharingRow extends Sharing {
  /** The second transfer's share of all bytes, for each third of the time. */
  readonly shares: readonly number[];
}

export function measureSharing(sharing: Sharing, link: LinkOfTransfers = SHARED_LINK): SharingRow {
  const { first, second, startMs } = sharing;
  const results = measureTransfers(link, [{ congestion: first }, { congestion: second, startMs }]);
  const shares = [0, 1, 2].map((third) => {
    const [one = 0, other = 0] = results.map(({ samples }) => {
      const length = samples.length / 3;
      return samples
        .slice(third * length, (third + 1) * length)
        .reduce((sum, sample) => sum + sample.goodput, 0);
    });
    return other / (one + other);
  });
  return { ...sharing, shares };
}

/** A Markdown table. */
export function formatSharingTable(rows: readonly SharingRow[]): string {
  const lines = [
    '| first | second | begins after | its share in the first 20 s | second 20 s | third 20 s |',
    '| --- | --- | --- | --- | --- | --- |',
  ];
  for (const { first, second, startMs, shares } of rows) {
    const cells = shares.map((share) => `${Math.round(100 * share)} %`);
    lines.push(`| ${first} | ${second} | ${startMs / 1000} s | ${cells.join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}
