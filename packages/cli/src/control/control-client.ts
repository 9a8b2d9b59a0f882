/** Asks a running relay or client over its control socket. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { addAbortSignal } from 'node:stream';
import { systemCode } from '@underpass/runtime';
import { CliError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { CONTROL_ANSWER_TIMEOUT_MS, MAX_CONTROL_ANSWER_BYTES } from './control-limits.js';

/** Nobody listens at the socket: the process has ended, or was killed. */
export class NobodyListens extends CliError {
  override name = 'NobodyListens';
}

export interface ControlRequest {
  /** The path of the socket. */
  readonly socket: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

/** @returns the value in the answer
 *  @throws NobodyListens, or CliError with what the other process says is wrong */
export async function askControl<T>(request: ControlRequest): Promise<T> {
  const { socket, timeoutMs = CONTROL_ANSWER_TIMEOUT_MS } = request;
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await openControl(request);
  addAbortSignal(signal, response); // destroys it at once if the time ran out as it began
  try {
    return await readAnswer<T>(response, socket);
  } catch (error) {
    throw signal.aborted ? noAnswer(socket, timeoutMs, error) : error;
  }
}

/** Starts an exchange whose answer comes a line at a time.
 *  @throws NobodyListens, or CliError if the answer does not begin in time */
export async function openControl({
  socket,
  method,
  path,
  body,
  timeoutMs = CONTROL_ANSWER_TIMEOUT_MS,
}: ControlRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        socketPath: socket,
        method,
        path,
        agent: false,
        ...(body !== undefined && { headers: { 'content-type': 'application/json' } }),
      },
      (response) => {
        clearTimeout(timer);
        response.on('error', () => undefined); // whoever reads the body gets it too
        resolve(response);
      },
    );
    const timer = setTimeout(() => {
      reject(noAnswer(socket, timeoutMs));
      outgoing.destroy();
    }, timeoutMs);
    outgoing.on('error', (error) => {
      clearTimeout(timer);
      reject(requestFailure(socket, error));
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Why a request could not be sent, or got no answer. */
export function requestFailure(socket: string, error: Error): CliError {
  const code = systemCode(error);
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT') return failed(socket, code, error);
  return new NobodyListens(ExitCode.failure, `nobody answers at ${socket}`, '', { cause: error });
}

/** Reads an answer that is not as long as the exchange.
 *  @returns the value in it
 *  @throws CliError with what the other process says is wrong */
export async function readAnswer<T>(response: IncomingMessage, socket: string): Promise<T> {
  return valueIn<T>(response.statusCode ?? 0, await textOf(response, socket), socket);
}

async function textOf(response: IncomingMessage, socket: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_CONTROL_ANSWER_BYTES) throw failed(socket, 'its answer is too long');
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw failed(socket, systemCode(error), error); // the process has ended in the middle of it
  }
  return Buffer.concat(chunks).toString('utf8');
}

function valueIn<T>(status: number, text: string, socket: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw failed(socket, 'its answer is not JSON', error);
  }
  if (status === 200) return value as T;
  const lines = (value as { readonly lines?: readonly unknown[] } | null)?.lines;
  if (Array.isArray(lines)) {
    const message = lines.map((line) => String(line).replace(/^underpass: /, '')).join('\n');
    throw new CliError(ExitCode.failure, message);
  }
  throw failed(socket, `it answered with status ${status}`);
}

function noAnswer(socket: string, timeoutMs: number, cause?: unknown): CliError {
  return new CliError(
    ExitCode.failure,
    `the process at ${socket} did not answer within ${timeoutMs / 1000} s`,
    'it may be stopped or very busy',
    { cause },
  );
}

function failed(socket: string, reason: string, cause?: unknown): CliError {
  return new CliError(
    ExitCode.failure,
    `cannot ask the process at ${socket} (${reason})`,
    'it may have just ended, or run another version of underpass',
    { cause },
  );
}
