/** Asks the running relay of a config file. */
import path from 'node:path';
import { askControl, NobodyListens } from './control-client.js';
import { controlSockets } from './control-directory.js';
import { relaySocketName } from './control-name.js';
import type { ReloadReport } from './relay-control.js';
import type { RelayReport } from './relay-report.js';

/** Has the running relay of `configFile` read it again.
 *  @returns undefined if no relay with that config runs as this user
 *  @throws CliError with what is wrong with the config, or if the relay does not answer */
export async function reloadRunningRelay(
  configFile: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ReloadReport | undefined> {
  return askRelay<ReloadReport>(configFile, 'POST', '/reload', environment);
}

/** What the running relay of `configFile` says about itself.
 *  @returns undefined if no relay with that config runs as this user */
export async function runningRelay(
  configFile: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<RelayReport | undefined> {
  return askRelay<RelayReport>(configFile, 'GET', '/status', environment);
}

async function askRelay<T>(
  configFile: string,
  method: 'GET' | 'POST',
  route: string,
  environment: NodeJS.ProcessEnv,
): Promise<T | undefined> {
  const name = relaySocketName(configFile);
  for (const socket of controlSockets(environment)) {
    if (path.basename(socket) !== name) continue;
    try {
      return await askControl<T>({ socket, method, path: route });
    } catch (error) {
      if (!(error instanceof NobodyListens)) throw error;
    }
  }
  return undefined;
}
