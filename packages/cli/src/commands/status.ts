/** `underpass status`: what the running relays and clients of this user are doing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { collectReports } from '../control/collect-reports.js';
import { printErrorLine, printLine, requireOutput } from '../terminal.js';
import { jsonOf, requireSome, textOf } from './status-output.js';
import { watchStatus } from './watch-status.js';

/** Over what time rates are measured. */
const RATE_SAMPLE_MS = 500;

export interface StatusFlags {
  readonly json?: boolean;
  readonly watch?: boolean;
}

export async function runStatus(name: string | undefined, flags: StatusFlags): Promise<void> {
  if (flags.watch === true) {
    await watchStatus(name, flags.json === true);
    return;
  }
  const before = requireSome(await collectReports(name), name);
  await sleep(RATE_SAMPLE_MS);
  const { reports, problems } = await collectReports(name);
  for (const problem of problems) printErrorLine(problem);
  printLine(flags.json === true ? jsonOf(reports, before) : textOf(reports, before));
  await requireOutput();
}
