/** The port of the inspector, opened only when asked for (docs/adr/0036-inspector.md). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatTarget } from '@underpass/forward';
import { bindError, type Log, monotonicMs, secureRandom, systemTimers } from '@underpass/runtime';
import { DatagramSampler } from './datagram-sampler.js';
import { InspectAccess, isLoopbackHost } from './inspect-access.js';
import {
  INSPECT_REQUEST_TIMEOUT_MS,
  MAX_INSPECT_CONNECTIONS,
  MAX_INSPECT_HEAD_BYTES,
  MAX_INSPECT_VIEWERS,
  MAX_MISSED_SNAPSHOTS,
  MAX_SNAPSHOT_BYTES,
} from './inspect-limits.js';
import type { InspectedProcess } from './inspected-process.js';
import { Inspector } from './inspector.js';
import { type PageFile, pageFile } from './page-files.js';

const LOOPBACK = '127.0.0.1';
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Serves the inspector's page and its snapshots, on loopback only, to whoever opens the link first.
 *
 *  It is opened before the client or relay starts, so that a port in use ends the start, and answers with status 503
 *  until `serve` says what to show. Every answer says that no other site may read or embed it. */
export class InspectServer {
  /** Pass it to the client or relay as its tap and its watch. */
  readonly sampler = new DatagramSampler(monotonicMs);
  readonly #server: Server;
  readonly #access = new InspectAccess(secureRandom);
  readonly #log: Log;
  readonly #fileOf: (name: string) => PageFile | undefined;
  #inspector: Inspector | undefined;
  #viewers = 0;

  /** @param port  0 lets the system choose
   *  @throws UnderpassError if the port cannot be opened */
  static async open(port: number, log: Log, fileOf = pageFile): Promise<InspectServer> {
    const server = new InspectServer(log, fileOf);
    await server.#listen(port);
    log.info(
      { event: 'inspect', address: LOOPBACK, port: server.port, link: server.link },
      `inspector at ${server.link} (the link works once)`,
    );
    return server;
  }

  private constructor(log: Log, fileOf: (name: string) => PageFile | undefined) {
    this.#log = log;
    this.#fileOf = fileOf;
    this.#server = createServer(
      {
        maxHeaderSize: MAX_INSPECT_HEAD_BYTES,
        headersTimeout: INSPECT_REQUEST_TIMEOUT_MS,
        requestTimeout: INSPECT_REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: INSPECT_REQUEST_TIMEOUT_MS / 5,
      },
      (request, response) => this.#handle(request, response),
    );
    this.#server.maxConnections = MAX_INSPECT_CONNECTIONS;
    this.#server.unref();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** It contains the token. */
  get link(): string {
    return `http://${LOOPBACK}:${this.port}/?token=${this.#access.token}`;
  }

  serve(process: InspectedProcess): void {
    const { sampler } = this;
    this.#inspector = new Inspector({ process, sampler, now: monotonicMs, cpuMs, timers: systemTimers });
  }

  close(): void {
    this.#inspector?.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) =>
        reject(bindError(`TCP port ${formatTarget({ host: LOOPBACK, port })}`, error)),
      );
      this.#server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
        this.#server.removeAllListeners('error').on('error', () => {}); // no descriptor is free: it tries again
        resolve();
      });
    });
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (!isLoopbackHost(request.headers.host)) {
      answer(response, 403, 'open it as 127.0.0.1 or localhost');
    } else if (request.method !== 'GET') answer(response, 405, 'only GET is supported');
    else this.#handleGet(request, response);
  }

  #handleGet(request: IncomingMessage, response: ServerResponse): void {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const search = new URLSearchParams(query);
    if (path === '/') {
      this.#exchange(search.get('token'), request, response);
      return;
    }
    const asked = this.#access.admit(path, request.headers.cookie);
    if (asked === undefined) answer(response, 403, 'open the link that the log shows');
    else if (asked === 'snapshots') this.#stream(search.get('peer') ?? undefined, request, response);
    else this.#answerFile(asked, response);
  }

  /** Gives the browser its session. The next page is a link and not a redirect: a browser does not send a strict cookie
   *  after a redirect, if the first link was on another site's page, such as a terminal in the browser. */
  #exchange(token: string | null, { headers }: IncomingMessage, response: ServerResponse): void {
    // A browser that loads a page before anybody asked for it must not use up the token.
    if (/prefetch|prerender/.test(String(headers['sec-purpose'] ?? headers.purpose ?? ''))) {
      answer(response, 503, 'this link works once, so it is not loaded in advance');
      return;
    }
    const opening = token === null ? 'wrong' : this.#access.open(token);
    if (opening === 'used') {
      this.#log.warn(
        { event: 'inspect-refused' },
        "the inspector's link was opened a second time, and refused: if the first time was not you, stop this process",
      );
    }
    if (opening === 'used' || opening === 'wrong') {
      const what = opening === 'used' ? 'this link was used before' : 'this is not the link';
      answer(response, 403, `${what}: the inspector's page opens only once, with the link in the log`);
      return;
    }
    response.setHeader('set-cookie', opening.setCookie);
    answer(response, 200, openingPage(opening.path), 'text/html; charset=utf-8');
  }

  #answerFile(name: string, response: ServerResponse): void {
    const file = this.#fileOf(name);
    if (file === undefined) {
      answer(response, 404, 'there is no such page');
      return;
    }
    response.writeHead(200, { 'content-type': file.type });
    response.end(file.bytes);
  }

  /** Sends a snapshot as a server-sent event now and then. A page that does not read gets fewer. */
  #stream(peer: string | undefined, request: IncomingMessage, response: ServerResponse): void {
    // Other ports of this machine are other origins, but the same site.
    const site = request.headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin') {
      answer(response, 403, 'only the inspector itself may ask for this');
    } else if (this.#inspector === undefined) answer(response, 503, 'starting');
    else if (this.#viewers >= MAX_INSPECT_VIEWERS) {
      answer(response, 503, `${MAX_INSPECT_VIEWERS} pages are open already: close one`);
    } else {
      this.#viewers++;
      let missed = 0;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const end = this.#inspector.add({
        peer,
        onSnapshot: (text) => {
          if (response.writableLength > MAX_SNAPSHOT_BYTES) {
            if (++missed > MAX_MISSED_SNAPSHOTS) response.destroy();
            return;
          }
          missed = 0;
          response.write(`data: ${text}\n\n`);
        },
      });
      response.on('close', () => {
        this.#viewers--;
        end();
      });
    }
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, connection: 'close' });
  response.end(`${text}\n`);
}

function openingPage(path: string): string {
  return `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><meta http-equiv="refresh" content="0;url=${path}"><title>Underpass inspector</title><a href="${path}">Open the inspector</a>`;
}
