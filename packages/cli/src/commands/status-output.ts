/** What `underpass status` prints. */
import { CliError } from '../cli-error.js';
import type { Report, Reports } from '../control/collect-reports.js';
import { earlierOf, measuredPeers } from '../control/rates.js';
import { statusLines } from '../control/status-text.js';
import { ExitCode } from '../exit-code.js';
import { printErrorLine } from '../terminal.js';

/** One JSON value: each process with the rates of its peers. */
export function jsonOf(reports: readonly Report[], before: readonly Report[]): string {
  const measured = reports.map((report) => {
    const peers = measuredPeers(earlierOf(before, report), report);
    return report.kind === 'relay' ? { ...report, peers } : { ...report, relay: peers[0] };
  });
  return JSON.stringify({
    relays: measured.filter(({ kind }) => kind === 'relay'),
    clients: measured.filter(({ kind }) => kind === 'client'),
  });
}

export function textOf(reports: readonly Report[], before: readonly Report[]): string {
  return reports.map((report) => statusLines(report, earlierOf(before, report)).join('\n')).join('\n\n');
}

/** @throws CliError if nothing runs under that name */
export function requireSome({ reports, problems }: Reports, name: string | undefined): readonly Report[] {
  if (reports.length > 0) return reports;
  for (const problem of problems) printErrorLine(problem);
  if (name === undefined) {
    const hint = 'start one with underpass relay or underpass client; status shows those of the same user';
    throw new CliError(ExitCode.failure, 'no relay or client of this user is running', hint);
  }
  throw new CliError(
    ExitCode.failure,
    `no relay or client named ${name} is running for this user`,
    'underpass status lists those that do',
  );
}
