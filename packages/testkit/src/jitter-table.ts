/** Goodput by jitter and loss: a table of docs/loss.md that scripts/measure-table.mjs prints, with bounds that a test
 *  checks. */
import { type Jitter, type LinkOfTransfers, measureTransfer } from './measure-transfer.js';

/** 10 Mbit/s, a round trip of 100 ms, a queue of 100 ms. */
export const JITTER_LINK = { bytesPerMs: 1_250, roundTripMs: 100, queueMs: 100, durationMs: 20_000 } as const;
export const JITTER_KINDS = ['drift', 'sine', 'independent'] as const;
/** Above and below, as a share of the delay in each direction. */
export const JITTER_SPREADS = [0, 0.05, 0.25, 0.5] as const;
export const JITTER_LOSSES = [0, 0.01, 0.05, 0.1] as const;

export interface JitterCell {
  readonly kind: Jitter['kind'];
  readonly spread: number;
  readonly lossChance: number;
}

/** @returns megabytes per second that the receiving application read */
export function measureJitter(
  { kind, spread, lossChance }: JitterCell,
  link: Omit<LinkOfTransfers, 'lossChance'> = JITTER_LINK,
): number {
  const jitter = { kind, spreadMs: (spread * link.roundTripMs) / 2 };
  const { bytes } = measureTransfer({ ...link, lossChance, jitter, congestion: 'bbr' });
  return bytes / link.durationMs / 1_000;
}

/** A Markdown table. */
export function measureJitterTable(): string {
  const lines = [
    `| jitter | of each way's delay | ${JITTER_LOSSES.map((loss) => `${loss * 100} %`).join(' | ')} |`,
    `| --- | --- | ${JITTER_LOSSES.map(() => '---').join(' | ')} |`,
  ];
  for (const kind of JITTER_KINDS) {
    for (const spread of JITTER_SPREADS) {
      // Without jitter there is no difference between the kinds.
      if (spread === 0 && kind !== JITTER_KINDS[0]) continue;
      const cells = JITTER_LOSSES.map((lossChance) => measureJitter({ kind, spread, lossChance }).toFixed(2));
      lines.push(`| ${spread === 0 ? 'none' : kind} | ±${spread * 100} % | ${cells.join(' | ')} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}
