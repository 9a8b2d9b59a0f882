/** `underpass client` while another process runs a client with the same keys: has that one run the forwards. */
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { Forward } from '@underpass/forward';
import type { Log } from '@underpass/runtime';
import { CliError } from '../cli-error.js';
import { openControl, readAnswer } from '../control/control-client.js';
import type { JoinedLine } from '../control/joined-forwards.js';
import { ExitCode } from '../exit-code.js';
import type { StopSignal } from '../stop-signal.js';
import { logClientEvent, logForward } from './client-log.js';

/** How joining the other process ended. */
export type JoinOutcome =
  | { readonly kind: 'stopped'; readonly signal: StopSignal }
  /** The other process has ended, so this one can take its place. */
  | { readonly kind: 'left' }
  /** It did not answer: it was just ending, or has too many connections. */
  | { readonly kind: 'unreachable'; readonly error: CliError };

/** Runs until `stop`, or until the other process ends.
 *  @param socket  the control socket of the other process
 *  @throws CliError if a forward cannot be started, or all of them were running already */
export async function joinClient(
  socket: string,
  forwards: readonly Forward[],
  log: Log,
  stop: Promise<StopSignal>,
): Promise<JoinOutcome> {
  const body = { forwards: forwards.map(({ kind, text }) => ({ kind, text })) };
  let response: IncomingMessage;
  try {
    response = await openControl({ socket, method: 'POST', path: '/forwards', body });
  } catch (error) {
    if (error instanceof CliError) return { kind: 'unreachable', error };
    throw error;
  }
  try {
    if (response.statusCode !== 200) await readAnswer(response, socket);
    const signal = await Promise.race([stop, followLines(response, forwards, log)]);
    if (signal !== undefined) return { kind: 'stopped', signal };
    log.warn({ event: 'left' }, LEFT);
    return { kind: 'left' };
  } finally {
    response.destroy();
  }
}

const LEFT = 'the client that carried the forwards has ended: its connections are lost; starting a new one';

/** Logs what the other process reports, until it ends. */
async function followLines(
  response: IncomingMessage,
  forwards: readonly Forward[],
  log: Log,
): Promise<undefined> {
  let added = 0;
  try {
    for await (const text of createInterface({ input: response })) {
      const line = JSON.parse(text) as JoinedLine;
      switch (line.type) {
        case 'listening': {
          const spec = forwards.find(({ kind, text: of }) => kind === line.kind && of === line.text);
          if (spec !== undefined) logForward(log, { ...line, spec });
          added++;
          break;
        }
        case 'running':
          log.info({ event: 'running', forward: line.text }, `${line.text} is running already`);
          break;
        case 'joined':
          if (added === 0) throw nothingToAdd(line.pid);
          log.info({ event: 'joined', pid: line.pid }, `joined the running client (process ${line.pid})`);
          break;
        case 'event':
          logClientEvent(log, line.event);
      }
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    // The other process has ended in the middle of a line.
  }
  return undefined;
}

function nothingToAdd(pid: number): CliError {
  return new CliError(
    ExitCode.failure,
    `this client is running already (process ${pid}), with all of these forwards`,
    'underpass status shows it',
  );
}
