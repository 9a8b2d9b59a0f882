/** Use of a link whose processes stall: a table of docs/loss.md that scripts/measure-table.mjs prints, with bounds that
 *  a test checks. */
import { type LinkOfTransfers, measureTransfer, type Stalls } from './measure-transfer.js';

/** 100 Mbit/s, a round trip of 80 ms, 1 % lost, a queue of 50 ms. */
export const STALL_LINK = {
  bytesPerMs: 12_500,
  roundTripMs: 80,
  queueMs: 50,
  lossChance: 0.01,
  durationMs: 20_000,
} as const;

const SELDOM: Stalls = { meanGapMs: 50, longestMs: 40 };
const OFTEN: Stalls = { meanGapMs: 20, longestMs: 20 };

export interface StallRow {
  readonly name: string;
  readonly stalls: NonNullable<LinkOfTransfers['stalls']>;
}

export const STALL_ROWS: readonly StallRow[] = [
  { name: 'none', stalls: {} },
  { name: 'sender, 50 ms apart, up to 40 ms', stalls: { sender: SELDOM } },
  { name: 'receiver, 50 ms apart, up to 40 ms', stalls: { receiver: SELDOM } },
  { name: 'both, 50 ms apart, up to 40 ms', stalls: { sender: SELDOM, receiver: SELDOM } },
  { name: 'both, 20 ms apart, up to 20 ms', stalls: { sender: OFTEN, receiver: OFTEN } },
];
export const STALL_SEEDS = [1, 2, 3, 4, 5] as const;

/** @returns the share of the link's rate that was used */
export function measureStalls(
  { stalls }: StallRow,
  seed: number,
  link: Omit<LinkOfTransfers, 'stalls'> = STALL_LINK,
): number {
  const { bytes } = measureTransfer({ ...link, stalls, seed, congestion: 'bbr' });
  return bytes / link.durationMs / link.bytesPerMs;
}

/** A Markdown table of the percentage of the link that was used, for each seed. */
export function measureStallTable(): string {
  const lines = [
    `| who stands still | ${STALL_SEEDS.map((seed) => `seed ${seed}`).join(' | ')} |`,
    `| --- | ${STALL_SEEDS.map(() => '---').join(' | ')} |`,
  ];
  for (const row of STALL_ROWS) {
    const cells = STALL_SEEDS.map((seed) => `${Math.round(100 * measureStalls(row, seed))} %`);
    lines.push(`| ${row.name} | ${cells.join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}
