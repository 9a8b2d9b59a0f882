/** Asks every running relay and client of this user for its status. */
import { failureOf } from '../failure-lines.js';
import type { ClientReport } from './client-report.js';
import { askControl, NobodyListens } from './control-client.js';
import { controlSockets } from './control-directory.js';
import type { RelayReport } from './relay-report.js';

export type Report = RelayReport | ClientReport;

export interface Reports {
  /** Relays first, each kind by name. */
  readonly reports: readonly Report[];
  /** Why a process could not be asked, a line each. */
  readonly problems: readonly string[];
}

/** @param name  only processes of this name; by default all */
export async function collectReports(name?: string): Promise<Reports> {
  const answers = await Promise.all(
    controlSockets().map((socket) =>
      askControl<Report>({ socket, method: 'GET', path: '/status' }).catch((error: unknown) => error),
    ),
  );
  const reports = answers
    .filter((answer): answer is Report => !(answer instanceof Error))
    .filter((report) => name === undefined || report.name === name)
    .sort((a, b) => orderOf(a).localeCompare(orderOf(b)));
  const problems = answers
    .filter((answer) => answer instanceof Error && !(answer instanceof NobodyListens))
    .flatMap((error) => failureOf(error, {}).lines);
  return { reports, problems };
}

function orderOf({ kind, name, pid }: Report): string {
  return `${kind === 'relay' ? 0 : 1} ${name} ${pid}`;
}
