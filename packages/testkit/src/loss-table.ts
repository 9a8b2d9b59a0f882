/** Goodput by loss, round trip and controller: a table of docs/loss.md that scripts/measure-table.mjs prints, with
 *  bounds that a test checks. */
import { CONGESTION_CONTROLLERS, type CongestionControllerName } from '@underpass/protocol';
import { measureTransfer } from './measure-transfer.js';

/** 20 Mbit/s with a queue of 50 ms. */
export const TABLE_LINK = { bytesPerMs: 2_500, queueMs: 50, durationMs: 10_000 } as const;
export const TABLE_LOSSES = [0, 0.001, 0.01, 0.03, 0.1, 0.3] as const;
export const TABLE_ROUND_TRIPS_MS = [20, 80, 200] as const;

export interface TableRow {
  readonly congestion: CongestionControllerName;
  readonly roundTripMs: number;
  readonly lossChance: number;
  /** Megabytes per second over the first ten. */
  readonly goodput: number;
  readonly firstMegabyteMs: number | undefined;
}

export function measureLossTable(): TableRow[] {
  return CONGESTION_CONTROLLERS.flatMap((congestion) =>
    TABLE_ROUND_TRIPS_MS.flatMap((roundTripMs) =>
      TABLE_LOSSES.map((lossChance) => {
        const result = measureTransfer({ ...TABLE_LINK, congestion, roundTripMs, lossChance });
        const goodput = result.bytes / TABLE_LINK.durationMs / 1_000;
        return { congestion, roundTripMs, lossChance, goodput, firstMegabyteMs: result.firstMegabyteMs };
      }),
    ),
  );
}

/** A Markdown table of MB/s, with the seconds to the first megabyte in brackets. */
export function formatLossTable(rows: readonly TableRow[]): string {
  const losses = TABLE_LOSSES.map((loss) => `${loss * 100} %`);
  const lines = [
    `| controller | round trip | ${losses.join(' | ')} |`,
    `| --- | --- | ${losses.map(() => '---').join(' | ')} |`,
  ];
  for (const congestion of CONGESTION_CONTROLLERS) {
    for (const roundTripMs of TABLE_ROUND_TRIPS_MS) {
      const cells = rows
        .filter((row) => row.congestion === congestion && row.roundTripMs === roundTripMs)
        .map(({ goodput, firstMegabyteMs }) => {
          const first = firstMegabyteMs === undefined ? '–' : `${(firstMegabyteMs / 1000).toFixed(1)} s`;
          return `${goodput.toFixed(2)} (${first})`;
        });
      lines.push(`| ${congestion} | ${roundTripMs} ms | ${cells.join(' | ')} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}
