/** `underpass status --watch`: the status again every second. */
import { setTimeout as sleep } from 'node:timers/promises';
import { collectReports, type Report } from '../control/collect-reports.js';
import { RateHistory } from '../control/rate-graph.js';
import { watchLines } from '../control/watch-view.js';
import { LiveScreen } from '../live-screen.js';
import { untilStopSignal } from '../stop-signal.js';
import { hasOutputFailed, printErrorLine, printLine, requireOutput } from '../terminal.js';
import { jsonOf, requireSome, textOf } from './status-output.js';

const INTERVAL_MS = 1_000;

/** Runs until the user quits, a signal stops it or nobody reads its output. On a terminal it shows a view of its own;
 *  otherwise, and as JSON, it prints each report after the last. */
export async function watchStatus(name: string | undefined, isJson: boolean): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  void untilStopSignal(['SIGINT', 'SIGTERM', 'SIGHUP']).then(() => controller.abort());
  if (isJson || !process.stdout.isTTY) await printEverySecond(name, isJson, signal);
  else await showLive(name, controller);
}

async function showLive(name: string | undefined, controller: AbortController): Promise<void> {
  const { signal } = controller;
  const history = new RateHistory();
  const screen = new LiveScreen(() => controller.abort());
  try {
    let before: readonly Report[] = [];
    while (!signal.aborted) {
      const current = await collectReports(name);
      history.add(current.reports, before);
      const time = new Date().toLocaleTimeString('en-GB');
      screen.show(watchLines(current, before, history, time, screen.size));
      before = current.reports;
      await pause(signal);
    }
  } finally {
    screen.close();
  }
}

async function printEverySecond(
  name: string | undefined,
  isJson: boolean,
  signal: AbortSignal,
): Promise<void> {
  let before = requireSome(await collectReports(name), name);
  await pause(signal);
  while (!signal.aborted && !hasOutputFailed()) {
    const { reports, problems } = await collectReports(name);
    for (const problem of problems) printErrorLine(problem);
    printLine(isJson ? jsonOf(reports, before) : `${textOf(reports, before)}\n`);
    before = reports;
    await pause(signal);
  }
  await requireOutput();
}

/** Waits for the next round, or until `signal` is aborted. */
async function pause(signal: AbortSignal): Promise<void> {
  await sleep(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
}
