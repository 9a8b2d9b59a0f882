/** What `underpass status --watch` shows at one moment. */
import type { Report, Reports } from './collect-reports.js';
import { graphOf, type RateHistory } from './rate-graph.js';
import { earlierOf } from './rates.js';
import { formatRate, statusLines } from './status-text.js';

export interface ViewSize {
  readonly columns: number;
  readonly rows: number;
}

/** The lines of the view, each short enough and no more than fit. */
export function watchLines(
  { reports, problems }: Reports,
  before: readonly Report[],
  history: RateHistory,
  time: string,
  { columns, rows }: ViewSize,
): string[] {
  const lines = [`underpass status, ${time} (q quits)`, ''];
  if (reports.length === 0) lines.push('no relay or client of this user is running: waiting for one');
  for (const report of reports) {
    const [title = '', ...rest] = statusLines(report, earlierOf(before, report));
    lines.push(title, ...graphLines(report, history, columns), ...rest, '');
  }
  lines.push(...problems);
  const shown = lines.length <= rows ? lines : [...lines.slice(0, rows - 1), '  more than fits here'];
  return shown.map((line) => cropped(line, columns));
}

function graphLines(report: Report, history: RateHistory, columns: number): string[] {
  const samples = history.of(report);
  const width = Math.max(10, Math.min(60, columns - 24));
  return [
    graphLine(
      'out',
      samples.map((sample) => sample.sentBytesPerSecond),
      width,
    ),
    graphLine(
      'in ',
      samples.map((sample) => sample.receivedBytesPerSecond),
      width,
    ),
  ];
}

function graphLine(name: string, values: readonly number[], width: number): string {
  const now = values.at(-1);
  return `  ${name} ${graphOf(values, width)} ${now === undefined ? '' : formatRate(now)}`;
}

function cropped(line: string, columns: number): string {
  const characters = [...line];
  return characters.length <= columns ? line : `${characters.slice(0, columns - 1).join('')}…`;
}
