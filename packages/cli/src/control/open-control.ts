/** Opens the control socket of a process that is also useful without one. */
import type { Log } from '@underpass/runtime';
import { failureTexts } from '../failure-lines.js';
import {
  type ControlRoutes,
  type ControlServer,
  ControlSocketInUse,
  type DialRoute,
  startControlServer,
} from './control-server.js';

/** A failure is a line in the log.
 *  @returns undefined if there is no socket
 *  @throws ControlSocketInUse for a client, because others can join the process that answers there */
export async function openControl(
  name: string,
  log: Log,
  routes: ControlRoutes,
  dial?: DialRoute,
): Promise<ControlServer | undefined> {
  if (process.platform === 'win32') return undefined; // Node has no unix sockets there
  try {
    const server = await startControlServer(name, routes, { ...(dial && { dial }) });
    log.debug({ event: 'control', socket: server.file }, `control socket ${server.file}`);
    return server;
  } catch (error) {
    if (dial !== undefined && error instanceof ControlSocketInUse) throw error;
    const reason = failureTexts(error, {}).join('; ');
    log.warn(
      { event: 'no-control' },
      `underpass status and other commands cannot reach this process: ${reason}`,
    );
    return undefined;
  }
}
