/** `underpass status`: what the running relays and clients of this user are doing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from '../cli-error.js';
import { collectReports, type Report, type Reports } from '../control/collect-reports.js';
import { earlierOf, measuredPeers } from '../control/rates.js';
import { statusLines } from '../control/status-text.js';
import { ExitCode } from '../exit-code.js';
import { printErrorLine, printLine, requireOutput } from '../terminal.js';

/** Over what time rates are measured. */
const RATE_SAMPLE_MS = 500;

export interface StatusFlags {
  readonly json?: boolean;
}

export async function runStatus(name: string | undefined, flags: StatusFlags): Promise<void> {
  const before = requireSome(await collectReports(name), name);
  await sleep(RATE_SAMPLE_MS);
  const { reports, problems } = await collectReports(name);
  for (const problem of problems) printErrorLine(problem);
  printLine(flags.json === true ? jsonOf(reports, before) : textOf(reports, before));
  await requireOutput();
}

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
function requireSome({ reports, problems }: Reports, name: string | undefined): readonly Report[] {
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
