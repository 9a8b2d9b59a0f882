/** Asks the running relay of a config file. */
import path from 'node:path';
import { askControl, NobodyListens } from './control-client.js';
import { controlSockets } from './control-directory.js';
import { relaySocketName } from './control-name.js';
import type { ReloadReport } from './relay-control.js';

/** Has the running relay of `configFile` read it again.
 *  @returns undefined if no relay with that config runs as this user
 *  @throws CliError with what is wrong with the config, or if the relay does not answer */
export async function reloadRunningRelay(
  configFile: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ReloadReport | undefined> {
  const name = relaySocketName(configFile);
  for (const socket of controlSockets(environment)) {
    if (path.basename(socket) !== name) continue;
    try {
      return await askControl<ReloadReport>({ socket, method: 'POST', path: '/reload' });
    } catch (error) {
      if (!(error instanceof NobodyListens)) throw error;
    }
  }
  return undefined;
}
