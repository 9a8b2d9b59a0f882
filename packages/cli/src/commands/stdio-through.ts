/** `underpass client -W` while another process runs a client with the same keys: that one dials the target. */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { formatTarget, type Target } from '@underpass/forward';
import { CliError } from '../cli-error.js';
import { readAnswer, requestFailure } from '../control/control-client.js';
import { ExitCode } from '../exit-code.js';
import { untilStopSignal } from '../stop-signal.js';
import { requireOutput } from '../terminal.js';
import { openStdio, type Stdio } from './stdio-streams.js';

/** Ends with the connection, or when a signal stops it.
 *  @param socket  the control socket of the other process
 *  @throws CliError when the target was refused or the connection did not end cleanly */
export async function runStdioThrough(socket: string, target: Target): Promise<void> {
  const stop = untilStopSignal(['SIGINT', 'SIGTERM', 'SIGHUP']);
  const stdio = openStdio();
  // Without keep-alive, Node closes the connection when the answer ends, although the request may go on.
  const agent = new Agent({ keepAlive: true });
  try {
    await Promise.race([carry(socket, agent, target, stdio), stop]);
  } finally {
    stdio.close();
    agent.destroy();
  }
}

/** Resolves when both directions have ended, or when nobody reads the output any more. */
async function carry(
  socket: string,
  agent: Agent,
  target: Target,
  { input, output, settled }: Stdio,
): Promise<void> {
  const path = `/dial?target=${encodeURIComponent(formatTarget(target))}`;
  const outgoing = httpRequest({ socketPath: socket, method: 'POST', path, agent });
  const sent = new Promise<void>((resolve, reject) => {
    outgoing.once('finish', resolve);
    outgoing.once('close', () => reject(brokenOff(target)));
  });
  sent.catch(() => undefined); // another failure may come first
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', (error) => reject(requestFailure(socket, error)));
  });
  outgoing.flushHeaders();
  input.once('error', () => outgoing.end());
  input.pipe(outgoing);
  const response = await answered;
  outgoing.on('error', () => undefined); // `sent` and the answer break off too
  if (response.statusCode !== 200) await readAnswer(response, socket);
  const isRead = await new Promise<boolean>((resolve, reject) => {
    // A reader that stops early is no failure, as in other commands.
    output.once('error', () => resolve(false));
    response.once('end', () => resolve(true));
    response.once('error', (error) => reject(brokenOff(target, error)));
    response.pipe(output);
  });
  if (!isRead) {
    outgoing.destroy();
    return;
  }
  await sent;
  if (output === process.stdout) await requireOutput();
  else await settled;
}

function brokenOff(target: Target, cause?: Error): CliError {
  return new CliError(
    ExitCode.failure,
    `the connection to ${formatTarget(target)} broke off`,
    'the target reset it, or the client that carried it has ended or lost its relay',
    { cause },
  );
}
