/** A running client: one relay, and the local ports that lead through it. */
import { isIP, type Socket } from 'node:net';
import {
  DescriptorGuard,
  formatTarget,
  type LocalForward,
  listenTcp,
  MAX_CONNECTIONS,
  OUT_OF_DESCRIPTORS,
  openThroughTunnel,
  type PumpSummary,
  resetSocket,
  resetSockets,
  SocketWatch,
  type Target,
  type TcpListener,
} from '@underpass/forward';
import {
  type Address,
  type ConnectionError,
  type Endpoint,
  type Peer,
  type Stream,
  StreamErrorCode,
} from '@underpass/protocol';
import { type DatagramSocket, Driver, probePort, systemTimers } from '@underpass/runtime';
import { adviceFor } from './advice.js';
import { DEFAULT_CONTACT_LIMIT_MS, FIRST_LOOKUP_MS } from './client-constants.js';
import type { BoundForward, Client, ClientEvent, ClientOptions, ClientStatus } from './client-options.js';
import { ContactLimit } from './contact-limit.js';
import { ContactReport } from './contact-report.js';
import { causeOf } from './disconnect-cause.js';
import { PlaceQueue } from './place-queue.js';
import { isUnknownName, unknownNameError } from './relay-address.js';
import { type Contact, RelayFinder } from './relay-finder.js';

/** What `startClient` creates before the client itself. */
export interface ClientParts {
  readonly endpoint: Endpoint;
  readonly relay: Peer;
  readonly socket: DatagramSocket;
  readonly suiteName: string;
}

/** A client that runs: local listeners on one side, one peer of an endpoint on the other.
 *
 *  It owns the driver with its socket, the listeners and every local connection until that is closed. A local
 *  connection first needs a descriptor (`DescriptorGuard`), then a place and a stream (`PlaceQueue`); from then on the
 *  opener and its pump carry it. Beside them, `RelayFinder` chooses the relay's address, `ContactReport` explains
 *  silence and `ContactLimit` ends hopeless waits. This class connects these parts, turns what they report into events,
 *  and never touches the bytes of a stream. */
export class RunningClient implements Client {
  readonly forwards: BoundForward[] = [];
  readonly #options: ClientOptions;
  readonly #relay: Peer;
  readonly #driver: Driver;
  readonly #finder: RelayFinder;
  readonly #report: ContactReport;
  readonly #limit: ContactLimit;
  readonly #parts: ClientParts;
  readonly #listeners: TcpListener[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #watch = new SocketWatch(systemTimers);
  readonly #places: PlaceQueue;
  readonly #descriptors: DescriptorGuard;
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #closing: Promise<void> | undefined;
  #connections = 0;
  /** Set until the first lookup is over, while an unknown name can still end the start. */
  #isStarting = true;
  /** The relay was reached, and that connection has not ended. */
  #hasContact = false;
  /** An answer of the relay is overdue. */
  #isSilent = false;

  constructor(options: ClientOptions, parts: ClientParts) {
    const { endpoint, relay, socket } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#relay = relay;
    this.#driver = new Driver({
      endpoint,
      socket,
      handler: {
        onConnected: () => this.#onConnected(),
        onDisconnected: (_peer, error, lostStreams) => this.#onDisconnected(error, lostStreams),
        onStreamsAvailable: () => this.#places.startWaiting(),
        onWaiting: (_peer, since) => {
          this.#isSilent = true;
          this.#report.begin(true);
          this.#emit({ type: 'waiting', silentMs: this.#driver.now() - since });
        },
        onPathFragments: (_peer, datagramBytes) => this.#emit({ type: 'path-fragments', datagramBytes }),
        onResumed: (_peer, silentMs) => {
          this.#isSilent = false;
          this.#report.end();
          this.#emit({ type: 'resumed', silentMs });
        },
        onSendError: (to, code) => {
          this.#report.onSendError(to, code);
          this.#finder.onSendError(to);
        },
        onStream: (_peer, stream) => {
          // A relay has no reason to open streams before reverse forwards exist.
          stream.reset(StreamErrorCode.refused);
          stream.stopSending(StreamErrorCode.refused);
        },
      },
      ...(options.onFatal && { onFatal: options.onFatal }),
    });
    this.#report = new ContactReport({
      relay: options.relay,
      emit: (event) => this.#emit(event),
      address: () => relay.address,
      probePort,
      waitingConnections: () => this.#sockets.size,
      now: () => this.#driver.now(),
      timers: systemTimers,
    });
    this.#places = new PlaceQueue({
      maxConnections: MAX_CONNECTIONS,
      openStream: () => (this.#closing === undefined ? relay.openStream() : undefined),
      isReachable: () => this.#hasContact && !this.#isSilent,
      watch: this.#watch,
      timers: systemTimers,
    });
    this.#descriptors = new DescriptorGuard({
      onShortage: (refused) => {
        options.log.warn(
          { event: 'out-of-descriptors', refused },
          `${OUT_OF_DESCRIPTORS}; local connections are reset`,
        );
      },
      now: () => this.#driver.now(),
    });
    this.#limit = new ContactLimit(options.contactLimitMs ?? DEFAULT_CONTACT_LIMIT_MS, systemTimers);
    this.#finder = new RelayFinder({
      relay: options.relay,
      ...(options.lookUp && { lookUp: options.lookUp }),
      setAddress: (address) => {
        this.#report.onResolved();
        relay.setAddress(this.#driver.now(), address);
      },
      tryAddress: (address) => {
        options.log.debug({ address }, `trying the relay at ${formatTarget(hostOf(address))}`);
        relay.tryAddress(this.#driver.now(), address);
        this.#driver.wake();
      },
      contact: () => this.#contact(),
      onUnresolved: (code) => {
        const { host, port } = options.relay;
        if (!this.#refuses(code)) this.#report.onUnresolved(host, port, code);
      },
      timers: systemTimers,
    });
  }

  /** @throws UnderpassError when the relay's name does not exist and `refuseUnknownName` is set */
  async findRelay(): Promise<void> {
    const { relay, refuseUnknownName = false } = this.#options;
    const first = this.#finder.start();
    if (!refuseUnknownName && isIP(relay.host) === 0) return;
    let timer: object | undefined;
    const timeout = new Promise<undefined>((resolve) => {
      timer = systemTimers.set(() => resolve(undefined), FIRST_LOOKUP_MS);
    });
    const code = await Promise.race([first, timeout]);
    if (timer !== undefined) systemTimers.clear(timer);
    const isRefused = code !== undefined && this.#refuses(code);
    this.#isStarting = false;
    if (isRefused) throw unknownNameError(relay.host, code);
  }

  /** Whether a lookup that failed with `code` ends the start. */
  #refuses(code: string): boolean {
    return this.#isStarting && this.#options.refuseUnknownName === true && isUnknownName(code);
  }

  async listen(): Promise<void> {
    for (const spec of this.#options.forwards) {
      const listener = await listenTcp(spec, (socket) => this.#carry(spec, socket));
      this.#listeners.push(listener);
      this.forwards.push({ spec, addresses: listener.addresses });
    }
  }

  connect(): void {
    this.#relay.connect(this.#driver.now());
    this.#seek();
    this.#driver.wake();
  }

  connected(): Promise<void> {
    if (this.#relay.stats().connected) return Promise.resolve();
    if (this.#closing !== undefined) return Promise.reject(new Error('the client is closed'));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  status(): ClientStatus {
    const { endpoint, socket, suiteName } = this.#parts;
    return {
      relay: this.#relay.stats(),
      suite: suiteName,
      drops: endpoint.drops,
      sendErrors: socket.sendErrors,
      forwards: this.forwards,
      openStreams: this.#sockets.size,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#finder.stop();
    this.#report.end();
    this.#limit.end();
    for (const listener of this.#listeners) listener.close();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the client is closed'));
    await this.#driver.close();
    // A local program that reads its last bytes slowly outlives its stream.
    await resetSockets(this.#sockets);
  }

  #emit(event: ClientEvent): void {
    this.#options.onEvent?.(event);
  }

  /** Looks for the relay, because something needs it now. */
  #seek(): void {
    if (this.#hasContact) return;
    this.#finder.seek();
    this.#report.begin();
  }

  #onConnected(): void {
    this.#hasContact = true;
    this.#isSilent = false;
    this.#report.end();
    this.#limit.end();
    this.#places.startWaiting();
    this.#emit({ type: 'connected', handshakeRttMs: this.#relay.stats().handshakeRttMs });
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #onDisconnected(error: ConnectionError, lostStreams: number): void {
    this.#hasContact = false;
    this.#report.end();
    if (this.#closing !== undefined) return; // we closed it ourselves
    const reason = error.reason === '' ? `code ${error.code}` : error.reason;
    this.#emit({ type: 'disconnected', cause: causeOf(error), reason, lostStreams });
  }

  #contact(): Contact {
    const now = this.#driver.now();
    return {
      ...this.#relay.stats(),
      hasKeys: this.#relay.session.sendableKeypairId(now) !== undefined,
    };
  }

  #carry(spec: LocalForward, socket: Socket): void {
    if (!this.#descriptors.hasRoom()) {
      socket.on('error', () => {});
      resetSocket(socket);
      return;
    }
    const { target } = spec;
    const from = `${socket.remoteAddress ?? '?'} port ${socket.remotePort ?? '?'}`;
    const id = ++this.#connections;
    this.#sockets.add(socket);
    this.#emit({ type: 'stream-opened', id, target, from });
    if (!this.#hasContact) {
      this.#seek();
      this.#limit.wait(id, (waitedMs) => {
        this.#emit({ type: 'given-up', id, target, waitedMs });
        resetSocket(socket);
      });
    }
    this.#places.enter({
      socket,
      onPlace: (stream) => this.#open(stream, id, target, socket),
      onRefused: () => this.#open(undefined, id, target, socket),
      onLeft: () => this.#onEnd(id, target, socket, { bytesSent: 0, bytesReceived: 0, clean: false }),
    });
  }

  /** @param stream  undefined to refuse the local connection */
  #open(stream: Stream | undefined, id: number, target: Target, socket: Socket): void {
    openThroughTunnel(
      this.#driver,
      stream,
      socket,
      target,
      {
        onRefused: (status) => {
          this.#emit({ type: 'refused', id, target, status, advice: adviceFor(target, status) });
        },
        onEnd: (summary) => {
          this.#onEnd(id, target, socket, summary);
          if (stream !== undefined) this.#places.release();
        },
      },
      this.#watch,
    );
  }

  #onEnd(id: number, target: Target, socket: Socket, summary: PumpSummary): void {
    this.#sockets.delete(socket);
    this.#limit.leave(id);
    this.#emit({ type: 'stream-closed', id, target, ...summary });
  }
}

function hostOf({ address, port }: Address): { readonly host: string; readonly port: number } {
  return { host: address, port };
}
