/** A running client: one relay, and the local ports that lead through it. */
import { isIP } from 'node:net';
import {
  type Forward,
  formatTarget,
  type LocalEnd,
  openProbe,
  type ProbeOptions,
  type ProbeOutcome,
  parseTarget,
  type TunnelFailure,
  TunnelSocket,
  type TunnelSocketOptions,
  type UdpTarget,
} from '@underpass/forward';
import type { Address, ConnectionError, Endpoint, Peer } from '@underpass/protocol';
import { type DatagramSocket, Driver, probePort, systemTimers, UnderpassError } from '@underpass/runtime';
import { failureAdvice } from './advice.js';
import { Carrier } from './carrier.js';
import { DEFAULT_CONTACT_LIMIT_MS, FIRST_LOOKUP_MS } from './client-constants.js';
import type {
  BoundForward,
  Client,
  ClientEvent,
  ClientOptions,
  ClientStatus,
  DialTarget,
  VisitorService,
} from './client-options.js';
import { ContactReport } from './contact-report.js';
import { causeOf } from './disconnect-cause.js';
import { Forwards } from './forwards.js';
import { IncomingStreams } from './incoming-streams.js';
import { isUnknownName, systemLookup, unknownNameError } from './relay-address.js';
import { type Contact, RelayFinder } from './relay-finder.js';

/** What `startClient` creates before the client itself. */
export interface ClientParts {
  readonly endpoint: Endpoint;
  readonly relay: Peer;
  readonly socket: DatagramSocket;
  /** Switches the socket to another port. Says whether it has. */
  readonly changePort: () => Promise<boolean>;
  readonly suiteName: string;
}

/** A client that runs: forwards on one side, one peer of an endpoint on the other.
 *
 *  It owns the driver with its socket. `Forwards` owns the listeners and starts and ends them, `Carrier` owns the local
 *  connections that come from them, and `IncomingStreams` serves the streams that the relay opens. Beside them,
 *  `RelayFinder` chooses the relay's address and `ContactReport` explains silence. This class connects these parts,
 *  turns what they report into events, and never touches a local connection or the bytes of a stream. */
export class RunningClient implements Client {
  readonly #options: ClientOptions;
  readonly #relay: Peer;
  readonly #driver: Driver;
  readonly #finder: RelayFinder;
  readonly #report: ContactReport;
  readonly #parts: ClientParts;
  readonly #carrier: Carrier;
  readonly #forwards: Forwards;
  readonly #incoming: IncomingStreams;
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #closing: Promise<void> | undefined;
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
        onStreamsAvailable: () => this.#carrier.startWaiting(),
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
        onStream: (_peer, stream) => this.#incoming.accept(stream),
      },
      ...(options.onFatal && { onFatal: options.onFatal }),
    });
    this.#report = new ContactReport({
      relay: options.relay,
      emit: (event) => this.#emit(event),
      address: () => relay.address,
      probePort,
      waitingConnections: () => this.#carrier.connections,
      now: () => this.#driver.now(),
      timers: systemTimers,
    });
    const shared = {
      tunnel: this.#driver,
      openStream: () => (this.#closing === undefined ? relay.openStream() : undefined),
      hasContact: () => this.#hasContact,
      seek: () => this.#seek(),
      emit: (event: ClientEvent) => this.#emit(event),
      now: () => this.#driver.now(),
      timers: systemTimers,
    };
    this.#carrier = new Carrier({
      ...shared,
      isReachable: () => this.#hasContact && !this.#isSilent,
      contactLimitMs: options.contactLimitMs ?? DEFAULT_CONTACT_LIMIT_MS,
      log: options.log,
    });
    this.#incoming = new IncomingStreams({
      ...this.#carrier.shared,
      ...shared,
      newId: () => this.#carrier.newId(),
      resolve: systemLookup,
    });
    this.#forwards = new Forwards({
      ...shared,
      carrier: this.#carrier,
      incoming: this.#incoming,
    });
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
      changePort: () => void this.#changePort(),
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

  get peer(): Peer {
    return this.#relay;
  }

  get forwards(): readonly BoundForward[] {
    return this.#forwards.bound;
  }

  addForward(forward: Forward, service?: VisitorService): Promise<BoundForward> {
    return this.#forwards.add(forward, service);
  }

  removeForward(forward: Forward): Promise<boolean> {
    return this.#forwards.remove(forward);
  }

  dial(to: DialTarget, options?: TunnelSocketOptions): TunnelSocket {
    const target = typeof to === 'string' ? parseTarget(to) : to;
    if ('reason' in target) throw new UnderpassError('invalid-option', target.reason, '');
    if ('protocol' in target && target.protocol === 'udp') {
      throw new UnderpassError('invalid-option', `${formatTarget(target)} is not a target for a stream`, '');
    }
    const parts = {
      carry: (end: LocalEnd) => this.#carrier.carry(end, target, () => 'this program'),
      explain: (failure: TunnelFailure) => failureAdvice(target, failure),
      timers: systemTimers,
    };
    return new TunnelSocket(target, parts, options);
  }

  tryFlow(target: UdpTarget): Promise<'opened' | TunnelFailure> {
    const { host, port } = target;
    return new Promise((resolve) => {
      const flow = this.#carrier.openFlow({
        target,
        request: { kind: 'udp', host, port },
        from: 'this program',
        onMessage: () => undefined,
        onOpened: () => {
          resolve('opened');
          flow?.end();
        },
        onFailed: resolve,
        onEnded: () => resolve('connection-lost'), // unless it was resolved before
      });
    });
  }

  async probe(options: ProbeOptions, signal?: AbortSignal): Promise<ProbeOutcome> {
    const stream = this.#closing === undefined ? this.#relay.openStream() : undefined;
    if (stream === undefined) return { ok: false, reason: 'too-many-streams' };
    this.#seek();
    return openProbe(this.#driver, stream, options, this.#driver.now, signal);
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
      socket: socket.kind,
      segments: socket.segments,
      coalesces: socket.coalesces,
      drops: endpoint.drops,
      sendErrors: socket.sendErrors,
      forwards: this.forwards,
      openStreams: this.#carrier.connections + this.#incoming.connections,
      streams: [...this.#carrier.streams(), ...this.#incoming.streams()],
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#finder.stop();
    this.#report.end();
    this.#carrier.stopWaiting();
    await this.#forwards.close();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the client is closed'));
    await this.#driver.close();
    await Promise.all([this.#carrier.close(), this.#incoming.close()]);
  }

  #emit(event: ClientEvent): void {
    this.#options.onEvent?.(event);
  }

  async #changePort(): Promise<void> {
    const { log } = this.#options;
    const { changePort, socket } = this.#parts;
    try {
      if (!(await changePort())) return;
      log.debug(
        { port: socket.address.port },
        `no answer: switched to another UDP port, ${socket.address.port}`,
      );
    } catch (error) {
      log.debug({ error }, 'no answer, and no other UDP port can be opened');
    }
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
    this.#carrier.onContact();
    this.#forwards.onContact();
    this.#emit({ type: 'connected', handshakeRttMs: this.#relay.stats().handshakeRttMs });
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #onDisconnected(error: ConnectionError, lostStreams: number): void {
    this.#hasContact = false;
    this.#report.end();
    if (this.#closing !== undefined) return; // we closed it ourselves
    const cause = causeOf(error);
    const reason = error.reason === '' ? `code ${error.code}` : error.reason;
    // The stream of a reverse forward is no connection of anybody.
    const lost = lostStreams - this.#forwards.takeLostListeners();
    this.#emit({ type: 'disconnected', cause, reason, lostStreams: lost });
    this.#forwards.onDisconnected(cause);
  }

  #contact(): Contact {
    const now = this.#driver.now();
    return {
      ...this.#relay.stats(),
      hasKeys: this.#relay.session.sendableKeypairId(now) !== undefined,
    };
  }
}

function hostOf({ address, port }: Address): { readonly host: string; readonly port: number } {
  return { host: address, port };
}
