/** The port for Prometheus and for health probes, opened only when asked for. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { formatTarget } from '@underpass/forward';
import { bindError, type Log } from '@underpass/runtime';
import type { Report } from '../control/collect-reports.js';
import type { ListenAddress } from '../host-port.js';
import { MAX_METRICS_CONNECTIONS, METRICS_REQUEST_TIMEOUT_MS } from './metrics-limits.js';
import type { MetricsRegistry } from './metrics-registry.js';
import { StreamCounts } from './stream-counts.js';

const LOOPBACK = '127.0.0.1';

/** `GET /metrics` and `GET /healthz` of a relay or client.
 *
 *  It is opened before the relay or client starts, so that a port in use ends the start, and answers with status 503
 *  until `serve` says where the values come from. A web page must not be able to read it through a name that leads
 *  here, so it answers only requests for an address, `localhost` or the host that it was told to listen on. */
export class MetricsServer {
  /** Pass it every event. */
  readonly counts = new StreamCounts();
  readonly #server: Server;
  readonly #host: string;
  readonly #log: Log;
  #registry: MetricsRegistry | undefined;
  #report: (() => Report | Promise<Report>) | undefined;

  /** @throws UnderpassError if the port cannot be opened */
  static async open(listen: ListenAddress, log: Log): Promise<MetricsServer> {
    const metrics = new MetricsServer(listen.host ?? LOOPBACK, log);
    await metrics.#listen(listen.port);
    const { address, port } = metrics.address;
    const url = `http://${formatTarget({ host: address, port })}/metrics`;
    log.info({ event: 'metrics', address, port }, `metrics at ${url}`);
    return metrics;
  }

  private constructor(host: string, log: Log) {
    this.#host = host;
    this.#log = log;
    this.#server = createServer(
      {
        headersTimeout: METRICS_REQUEST_TIMEOUT_MS,
        requestTimeout: METRICS_REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: METRICS_REQUEST_TIMEOUT_MS / 5,
      },
      (request, response) => void this.#handle(request, response),
    );
    this.#server.maxConnections = MAX_METRICS_CONNECTIONS;
    this.#server.unref();
  }

  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  async serve(report: () => Report | Promise<Report>): Promise<void> {
    const { MetricsRegistry: Registry } = await import('./metrics-registry.js');
    this.#registry = new Registry({ report, counts: this.counts });
    this.#report = report;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #listen(port: number): Promise<void> {
    const host = this.#host;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) =>
        reject(bindError(`TCP port ${formatTarget({ host, port })}`, error)),
      );
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.removeAllListeners('error').on('error', () => {}); // no descriptor is free: it tries again
        resolve();
      });
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('connection', 'close');
    if (!isForUs(request.headers.host, this.#host)) {
      answer(response, 403, 'use the address and not a name\n');
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(response, 405, 'only GET is supported\n');
      return;
    }
    const path = request.url?.split('?', 1)[0];
    try {
      if (path === '/healthz') await this.#answerHealth(response);
      else if (path === '/metrics') await this.#answerMetrics(response);
      else answer(response, 404, 'there are /metrics and /healthz\n');
    } catch (error) {
      this.#log.error({ event: 'metrics-failed' }, `the metrics cannot be read: ${String(error)}`);
      answer(response, 500, 'the metrics cannot be read: see the log\n');
    }
  }

  async #answerHealth(response: ServerResponse): Promise<void> {
    const problem = this.#report === undefined ? 'starting' : problemOf(await this.#report());
    answer(response, problem === undefined ? 200 : 503, `${problem ?? 'ok'}\n`);
  }

  async #answerMetrics(response: ServerResponse): Promise<void> {
    if (this.#registry === undefined) {
      answer(response, 503, 'starting\n');
      return;
    }
    answer(response, 200, await this.#registry.render(), this.#registry.contentType);
  }
}

/** A relay is well while it answers here. A client also needs its relay. */
function problemOf(report: Report): string | undefined {
  if (report.kind === 'relay') return undefined;
  if (!report.relay.connected) return 'not connected to the relay';
  return report.relay.waitingMs === undefined ? undefined : 'the relay does not answer';
}

function isForUs(header: string | undefined, ownHost: string): boolean {
  const host = header?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return host !== undefined && (isIP(host) !== 0 || host === 'localhost' || host === ownHost);
}

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type });
  response.end(text);
}
