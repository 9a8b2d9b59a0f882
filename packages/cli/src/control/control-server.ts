/** The control socket of a running relay or client: HTTP and JSON over a unix socket (docs/adr/0019-control-socket.md). */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { systemCode } from '@underpass/runtime';
import { CliError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { failureOf } from '../failure-lines.js';
import { quoteArgument } from '../file-trust.js';
import { encodeKey } from '../key-text.js';
import { openControlDirectory, requireShortEnough } from './control-directory.js';
import {
  CONTROL_REQUEST_TIMEOUT_MS,
  MAX_CONTROL_BACKLOG_BYTES,
  MAX_CONTROL_CONNECTIONS,
  MAX_CONTROL_HEAD_BYTES,
  MAX_CONTROL_REQUEST_BYTES,
} from './control-limits.js';

/** Answers that are not complete at once. */
export interface ControlExchange {
  /** Sends one value as a line of JSON. */
  send(value: unknown): void;
  end(): void;
  /** Aborted when the caller has gone, or the answer has ended. */
  readonly signal: AbortSignal;
}

/** By method and path, for example `GET /status`. A handler's value is the answer. A `CliError` or `UnderpassError`
 *  becomes an answer with status 409 and the lines that the command line would print. A handler that returns undefined
 *  answers through `exchange`, a line at a time, and must end it. */
export type ControlRoutes = Readonly<Record<string, (body: unknown, exchange: ControlExchange) => unknown>>;

/** Answers `POST /dial?target=…`: the bodies of request and answer are the two directions of a connection. */
export type DialRoute = (
  target: string,
  request: IncomingMessage,
  response: ServerResponse,
  /** Answers with status 409 and this error. */
  refuse: (error: string) => void,
) => Promise<void>;

export interface ControlServerOptions {
  readonly dial?: DialRoute;
  readonly environment?: NodeJS.ProcessEnv;
  /** How long a request may take to arrive. */
  readonly requestTimeoutMs?: number;
}

export interface ControlServer {
  readonly file: string;
  /** Ends all exchanges and removes the socket. */
  close(): void;
}

/** Another process answers at this socket. */
export class ControlSocketInUse extends CliError {
  override name = 'ControlSocketInUse';
  readonly file: string;

  constructor(file: string) {
    super(
      ExitCode.failure,
      `another process answers at the control socket ${file}`,
      'it was started with the same config or keys: stop one of them',
    );
    this.file = file;
  }
}

/** Opens a control socket of this name in the control directory. A socket left behind by a process that was killed is
 *  replaced.
 *  @throws CliError if the directory cannot be trusted, ControlSocketInUse if another process answers there */
export async function startControlServer(
  name: string,
  routes: ControlRoutes,
  {
    dial,
    environment = process.env,
    requestTimeoutMs = CONTROL_REQUEST_TIMEOUT_MS,
  }: ControlServerOptions = {},
): Promise<ControlServer> {
  const file = path.join(openControlDirectory(environment), name);
  requireShortEnough(file);
  const server = createServer(
    {
      maxHeaderSize: MAX_CONTROL_HEAD_BYTES,
      headersTimeout: requestTimeoutMs,
      requestTimeout: 0, // `bodyOf` has its own limit; a dialled connection has none
      connectionsCheckingInterval: requestTimeoutMs / 5,
    },
    (request, response) => void handle({ routes, dial, requestTimeoutMs }, request, response),
  );
  server.maxConnections = MAX_CONTROL_CONNECTIONS;
  // It would end a dialled connection whose target has ended its direction while the other process is silent.
  server.keepAliveTimeout = 0;
  await listenOrReplace(server, file);
  chmodSync(file, 0o600); // the directory already keeps other users out
  server.on('error', () => {}); // accepting fails while descriptors run out, and works again later
  server.unref();
  return {
    file,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listenOrReplace(server: Server, file: string): Promise<void> {
  try {
    await listen(server, file);
  } catch (error) {
    if (systemCode(error) !== 'EADDRINUSE') throw cannotOpen(file, error);
    if (!lstatSync(file).isSocket()) {
      const hint = `remove ${quoteArgument(file)}`;
      throw new CliError(ExitCode.failure, `${file} is not a socket`, hint, { cause: error });
    }
    const identity = identityOf(file);
    if (await hasListener(file)) throw new ControlSocketInUse(file);
    removeAbandoned(file, identity);
    try {
      await listen(server, file);
    } catch (second) {
      throw systemCode(second) === 'EADDRINUSE' ? new ControlSocketInUse(file) : cannotOpen(file, second);
    }
  }
}

function cannotOpen(file: string, cause: unknown): CliError {
  const hint = 'check the directory and the disk';
  return new CliError(
    ExitCode.failure,
    `cannot open the control socket ${file} (${systemCode(cause)})`,
    hint,
    {
      cause,
    },
  );
}

function listen(server: Server, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(file, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether a process listens. In doubt, for example when its queue is full, the answer is yes. */
function hasListener(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(file);
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => end(true));
    socket.on('error', (error) => end(!['ECONNREFUSED', 'ENOENT'].includes(systemCode(error))));
  });
}

/** Which socket a name stands for at present: another one has another text. */
function identityOf(file: string): string {
  const { ino, ctimeNs } = lstatSync(file, { bigint: true });
  return `${ino} ${ctimeNs}`;
}

/** Removes a socket at which nobody listened, unless another process has replaced it meanwhile. */
function removeAbandoned(file: string, identity: string): void {
  try {
    if (identityOf(file) === identity) unlinkSync(file);
  } catch {
    // It is gone. The next attempt to listen decides.
  }
}

/** What the requests of one server share. */
interface Service {
  readonly routes: ControlRoutes;
  readonly dial: DialRoute | undefined;
  readonly requestTimeoutMs: number;
}

async function handle(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('connection', 'close');
  try {
    await serve(service, request, response);
  } catch (error) {
    const { lines, exitCode } = failureOf(error, {});
    answer(response, exitCode === ExitCode.internal ? 500 : 409, { error: lines.join('\n'), lines });
  }
}

/** @throws what a route throws */
async function serve(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { routes, dial, requestTimeoutMs } = service;
  const [pathname = '', query] = (request.url ?? '').split('?', 2);
  if (dial !== undefined && request.method === 'POST' && pathname === '/dial') {
    const refuse = (error: string): void => {
      response.setHeader('connection', 'close');
      answer(response, 409, { error, lines: [error] });
    };
    response.removeHeader('connection'); // the request may go on when the answer has ended
    await dial(new URLSearchParams(query).get('target') ?? '', request, response, refuse);
    return;
  }
  const name = `${request.method ?? ''} ${pathname}`;
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  if (route === undefined) {
    const isKnown = Object.keys(routes).some((known) => known.endsWith(` ${pathname}`));
    const error = `${name} is not supported here`;
    answer(response, isKnown ? 405 : 404, { error, supported: Object.keys(routes) });
    return;
  }
  const body = await bodyOf(request, requestTimeoutMs);
  if (!body.ok) {
    answer(response, body.status, { error: body.reason });
    return;
  }
  const value = await route(body.value, exchangeOn(response));
  if (value !== undefined) answer(response, 200, value);
}

type Body =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: number; readonly reason: string };

async function bodyOf(request: IncomingMessage, timeoutMs: number): Promise<Body> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => request.destroy(), timeoutMs).unref();
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_CONTROL_REQUEST_BYTES) {
        return { ok: false, status: 413, reason: `a request has at most ${MAX_CONTROL_REQUEST_BYTES} bytes` };
      }
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  if (bytes === 0) return { ok: true, value: undefined };
  try {
    return { ok: true, value: JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown };
  } catch {
    return { ok: false, status: 400, reason: 'the body of a request is JSON' };
  }
}

function exchangeOn(response: ServerResponse): ControlExchange {
  const controller = new AbortController();
  response.on('close', () => controller.abort());
  return {
    send: (value) => {
      if (!response.headersSent) {
        response.writeHead(200, { 'content-type': 'application/jsonl' });
      }
      // A caller that does not read gets no more, until it has read something.
      if (response.writableLength < MAX_CONTROL_BACKLOG_BYTES)
        response.write(`${JSON.stringify(value, readable)}\n`);
    },
    end: () => void response.end(),
    signal: controller.signal,
  };
}

function answer(response: ServerResponse, status: number, value: unknown): void {
  if (response.headersSent) {
    response.destroy(); // half an answer must not look whole
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}

/** Writes keys as everywhere else. */
function readable(_name: string, value: unknown): unknown {
  return value instanceof Uint8Array ? encodeKey(value) : value;
}
