/** A tunnel of a program that uses the library. */
import { EventEmitter } from 'node:events';
import type { Client, ClientEvent } from '@underpass/client';
import { formatTarget, parseTarget } from '@underpass/forward';
import { UnderpassError } from '@underpass/runtime';
import { problemAdvice } from '../commands/contact-text.js';
import type { HostPort } from '../host-port.js';
import { httpAgentOf, httpsAgentOf } from './agents.js';
import type {
  Connector,
  DialOptions,
  DialTarget,
  Tunnel,
  TunnelEvents,
  TunnelListener,
  TunnelSocket,
  TunnelStatus,
} from './api.js';
import { Closing } from './closing.js';
import { connectorOf } from './connector.js';
import { Listeners } from './listeners.js';

/** Joins a client that runs, for which it translates events and status, with what a Node program uses: sockets, agents
 *  and listeners. The client does the work; this class owns nothing. */
export class RunningTunnel extends EventEmitter<TunnelEvents> implements Tunnel {
  readonly connector: Connector;
  readonly #client: Client;
  readonly #relay: HostPort;
  readonly #onClose: () => void;
  readonly #listeners: Listeners;
  readonly #closing = new Closing('the tunnel', () => this.#close());

  /** @param onClose  called when the client has closed */
  constructor(client: Client, relay: HostPort, onClose: () => void) {
    super();
    this.#client = client;
    this.#relay = relay;
    this.#onClose = onClose;
    this.#listeners = new Listeners(client);
    this.connector = connectorOf((target) => this.dial(target));
  }

  dial(target: DialTarget, options?: DialOptions): TunnelSocket {
    this.#closing.refuseClosed();
    const parsed = parseTarget(targetText(target));
    if ('reason' in parsed) throw new UnderpassError('invalid-option', parsed.reason, '');
    return this.#client.dial(parsed, options);
  }

  httpAgent(options?: Parameters<Tunnel['httpAgent']>[0]): ReturnType<Tunnel['httpAgent']> {
    return httpAgentOf((target) => this.dial(target), options);
  }

  httpsAgent(options?: Parameters<Tunnel['httpsAgent']>[0]): ReturnType<Tunnel['httpsAgent']> {
    return httpsAgentOf((target) => this.dial(target), options);
  }

  async listen(...[place, target, options]: Parameters<Tunnel['listen']>): Promise<TunnelListener> {
    this.#closing.refuseClosed();
    return this.#listeners.open(place, target, options);
  }

  status(): TunnelStatus {
    const { relay, suite, streams } = this.#client.status();
    return {
      relay: { host: this.#relay.host, port: this.#relay.port },
      connected: relay.connected && !this.#closing.hasBegun,
      waiting: relay.waitingSince !== undefined,
      rttMs: relay.smoothedRttMs,
      bytesSent: relay.bytesSent,
      bytesReceived: relay.bytesReceived,
      packetsLost: relay.packetsLost,
      suite,
      connections: streams.map(({ id, target }) => ({ id, target: formatTarget(target) })),
    };
  }

  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  closeWith(signal: AbortSignal): void {
    this.#closing.closeWith(signal);
  }

  /** Takes every event of the client. */
  onEvent(event: ClientEvent): void {
    this.#listeners.onEvent(event);
    switch (event.type) {
      case 'connected':
        this.emit('connected');
        break;
      case 'disconnected': {
        const { cause, reason, lostStreams } = event;
        this.emit('disconnected', { cause, reason, lostConnections: lostStreams });
        break;
      }
      case 'waiting':
      case 'resumed':
        this.emit(event.type, { silentMs: event.silentMs });
        break;
      case 'contact-problem':
        this.emit('problem', { code: event.problem.code, message: problemAdvice(event.problem) });
        break;
      default:
    }
  }

  async #close(): Promise<void> {
    this.#listeners.close();
    await this.#client.close();
    this.#onClose();
    this.emit('close');
  }
}

/** An object is validated as text, so that there is one set of rules. */
function targetText(target: DialTarget): string {
  if (typeof target === 'string') return target;
  if ('path' in target) return `unix:${target.path}`;
  const { host, port } = target;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
