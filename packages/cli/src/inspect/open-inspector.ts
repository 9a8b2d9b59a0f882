import type { Log } from '@underpass/runtime';
import type { InspectServer } from './inspect-server.js';

/** The value of `--inspect`. The system chooses the port if it is 0, and if it is `true`, without a value. */
export type InspectPort = number | true;

/** Opens the inspector if it is wanted. What it needs is loaded only then.
 *  @throws UnderpassError if the port cannot be opened */
export async function openInspector(
  port: InspectPort | undefined,
  log: Log,
): Promise<InspectServer | undefined> {
  if (port === undefined) return undefined;
  const { InspectServer } = await import('./inspect-server.js');
  return InspectServer.open(port === true ? 0 : port, log);
}
