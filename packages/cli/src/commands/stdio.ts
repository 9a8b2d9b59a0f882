/** `underpass client -W`: one connection between standard input and output and a target (spec forwarding 1.4). */
import type { Client, ClientEvent, ContactProblem } from '@underpass/client';
import { formatTarget, type Target, TunnelError } from '@underpass/forward';
import type { Log } from '@underpass/runtime';
import { CliError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { untilStopSignal } from '../stop-signal.js';
import { requireOutput } from '../terminal.js';
import { logClientEvent } from './client-log.js';
import { problemAdvice } from './contact-text.js';
import { openStdio, type Stdio } from './stdio-streams.js';

/** Ends with the connection, or when a signal stops it. Then it goes on while other processes use the client, as the
 *  first of several ssh connections does: ssh hangs up on its ProxyCommand when it ends, and the others would break off.
 *  @param untilUnused  resolves when no other process uses the client
 *  @throws CliError when the target was refused or the connection did not end cleanly */
export async function runStdio(
  target: Target,
  log: Log,
  start: (onEvent: (event: ClientEvent) => void) => Promise<Client>,
  untilUnused: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  let problem: ContactProblem | undefined;
  const client = await start((event) => {
    logClientEvent(log, event);
    if (event.type === 'contact-problem') problem = event.problem;
    if (event.type === 'connected') problem = undefined;
  });
  const stop = untilStopSignal(['SIGINT', 'SIGTERM']);
  const hangUp = new Promise<void>((resolve) => process.on('SIGHUP', () => resolve()));
  const stdio = openStdio();
  try {
    await Promise.race([carry(client, target, stdio, hangUp), stop]);
    stdio.close();
    await Promise.race([untilUnused(), stop]);
  } catch (error) {
    if (error instanceof TunnelError) throw failureOf(error, target, problem);
    throw error;
  } finally {
    stdio.close();
    await client.close();
  }
}

/** Resolves when both directions have ended and the relay has everything, or when nobody reads the output any more.
 *  @throws TunnelError */
async function carry(
  client: Client,
  target: Target,
  { input, output, settled }: Stdio,
  hangUp: Promise<void>,
): Promise<void> {
  const socket = client.dial(target, { allowHalfOpen: true });
  let isHungUp = false;
  await new Promise<void>((resolve, reject) => {
    void hangUp.then(() => {
      isHungUp = true;
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => void socket.delivered.then(resolve));
    // A reader that stops early is no failure, as in other commands.
    output.once('error', () => {
      socket.destroy();
      resolve();
    });
    input.once('error', () => socket.end());
    input.pipe(socket);
    socket.pipe(output);
  });
  if (isHungUp) return;
  if (output === process.stdout) await requireOutput();
  else await settled;
}

function failureOf(error: TunnelError, target: Target, problem: ContactProblem | undefined): CliError {
  if (error.failure !== 'relay-not-reached' || problem === undefined) {
    return new CliError(ExitCode.failure, error.message, '', { cause: error });
  }
  const message = `${formatTarget(target)} was not reached, because ${problemAdvice(problem)}`;
  return new CliError(ExitCode.failure, message, '', { cause: error });
}
