/** One relay and the local ports that lead through it. */
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import {
  type LocalForward,
  listenTcp,
  openThroughTunnel,
  resetSocket,
  type TcpListener,
} from '@underpass/forward';
import { type ConnectionError, Endpoint, type Peer } from '@underpass/protocol';
import { chooseSuite, Driver, openUdpSocket, secureRandom, unixTimeMs } from '@underpass/runtime';
import { adviceFor } from './advice.js';
import type { BoundForward, Client, ClientEvent, ClientOptions, ClientStatus } from './client-options.js';
import { LOOKUP_INTERVAL_MS, resolveRelay } from './relay-address.js';

/** Opens the UDP socket and every listener.
 *  @throws UnderpassError when the relay's name does not resolve or a listener cannot be opened */
export async function startClient(options: ClientOptions): Promise<Client> {
  const address = await resolveRelay(options.relay);
  const socket = await openUdpSocket({ port: 0 });
  const suite = options.suite ?? chooseSuite();
  const endpoint = new Endpoint({
    role: 'client',
    privateKey: options.privateKey,
    suite,
    random: secureRandom,
    unixTimeMs,
    ...(options.keyLog && { keyLog: options.keyLog }),
  });
  const relay = endpoint.addPeer({
    publicKey: options.relayPublicKey,
    address,
    ...(options.presharedKey && { presharedKey: options.presharedKey }),
    persistentKeepaliveMs: options.persistentKeepaliveMs ?? 0,
  });
  const client = new RunningClient(options, relay, (handler) => {
    const driver = new Driver({
      endpoint,
      socket,
      handler,
      ...(options.onFatal && { onFatal: options.onFatal }),
    });
    const status = () => ({ suite: suite.name, drops: endpoint.drops, sendErrors: socket.sendErrors });
    return { driver, status };
  });
  try {
    await client.listen();
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

interface Machinery {
  readonly driver: Driver;
  readonly status: () => Pick<ClientStatus, 'suite' | 'drops' | 'sendErrors'>;
}

class RunningClient implements Client {
  readonly forwards: BoundForward[] = [];
  readonly #options: ClientOptions;
  readonly #relay: Peer;
  readonly #driver: Driver;
  readonly #status: Machinery['status'];
  readonly #listeners: TcpListener[] = [];
  readonly #sockets = new Set<Socket>();
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #lookupTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #connections = 0;

  constructor(
    options: ClientOptions,
    relay: Peer,
    build: (handler: ConstructorParameters<typeof Driver>[0]['handler']) => Machinery,
  ) {
    this.#options = options;
    this.#relay = relay;
    const { driver, status } = build({
      onConnected: () => this.#onConnected(),
      onDisconnected: (_peer, error) => this.#onDisconnected(error),
      onStream: (_peer, stream) => {
        // A relay opens nothing as long as there are no reverse forwards.
        stream.reset(0);
        stream.stopSending(0);
      },
    });
    this.#driver = driver;
    this.#status = status;
    this.#followName();
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
    this.#driver.wake();
  }

  connected(): Promise<void> {
    if (this.#relay.stats().connected) return Promise.resolve();
    if (this.#closing !== undefined) return Promise.reject(new Error('the client is closed'));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  status(): ClientStatus {
    return {
      ...this.#status(),
      relay: this.#relay.stats(),
      forwards: this.forwards,
      openStreams: this.#sockets.size,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#lookupTimer);
    for (const listener of this.#listeners) listener.close();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the client is closed'));
    await this.#driver.close();
    for (const socket of this.#sockets) resetSocket(socket);
  }

  #emit(event: ClientEvent): void {
    this.#options.onEvent?.(event);
  }

  #onConnected(): void {
    this.#emit({ type: 'connected', handshakeRttMs: this.#relay.stats().handshakeRttMs });
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #onDisconnected(error: ConnectionError): void {
    const reason = error.reason === '' ? `code ${error.code}` : error.reason;
    this.#emit({
      type: 'disconnected',
      reason: error.by === 'peer' ? `by the relay: ${reason}` : reason,
    });
  }

  #carry(spec: LocalForward, socket: Socket): void {
    const { target } = spec;
    const from = `${socket.remoteAddress ?? '?'} port ${socket.remotePort ?? '?'}`;
    const id = ++this.#connections;
    this.#sockets.add(socket);
    this.#emit({ type: 'stream-opened', id, target, from });
    openThroughTunnel(this.#driver, this.#relay.openStream(), socket, target, {
      onRefused: (status) => {
        this.#emit({ type: 'refused', id, target, status, advice: adviceFor(target, status) });
      },
      onEnd: (summary) => {
        this.#sockets.delete(socket);
        this.#emit({ type: 'stream-closed', id, target, ...summary });
      },
    });
  }

  /** A relay with a name may have moved: while it is silent, its name is asked again. */
  #followName(): void {
    const { host } = this.#options.relay;
    if (isIP(host) !== 0) return;
    let sent = 0;
    let received = 0;
    this.#lookupTimer = setInterval(() => {
      const stats = this.#relay.stats();
      const isSilent = stats.datagramsSent > sent && stats.datagramsReceived === received;
      sent = stats.datagramsSent;
      received = stats.datagramsReceived;
      if (isSilent) void this.#lookUpAgain();
    }, LOOKUP_INTERVAL_MS);
    this.#lookupTimer.unref();
  }

  async #lookUpAgain(): Promise<void> {
    try {
      const address = await resolveRelay(this.#options.relay);
      if (this.#closing === undefined) this.#relay.setAddress(address);
    } catch {
      // No network, no names: the old address stays.
    }
  }
}
