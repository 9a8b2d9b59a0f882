/** One relay and the local ports that lead through it. */
import type { Socket } from 'node:net';
import {
  formatTarget,
  type LocalForward,
  listenTcp,
  MAX_CONNECTIONS,
  openThroughTunnel,
  resetSockets,
  SocketWatch,
  type TcpListener,
} from '@underpass/forward';
import {
  type Address,
  type ConnectionError,
  Endpoint,
  type Peer,
  StreamErrorCode,
} from '@underpass/protocol';
import {
  chooseSuite,
  type DatagramSocket,
  Driver,
  openUdpSocket,
  secureRandom,
  systemTimers,
  transportOver,
  unixTimeMs,
} from '@underpass/runtime';
import { adviceFor } from './advice.js';
import type { BoundForward, Client, ClientEvent, ClientOptions, ClientStatus } from './client-options.js';
import { type Contact, NameFollower, resolveRelay } from './relay-address.js';

/** Opens the UDP socket and every listener.
 *  @throws UnderpassError when the relay's name does not resolve or a listener cannot be opened */
export async function startClient(options: ClientOptions): Promise<Client> {
  const [address] = await resolveRelay(options.relay);
  const socket = await openUdpSocket({ port: 0 });
  const suite = options.suite ?? chooseSuite();
  const endpoint = new Endpoint({
    role: 'client',
    privateKey: options.privateKey,
    suite,
    random: secureRandom,
    unixTimeMs,
    transport: transportOver(socket, options),
    ...(options.keyLog && { keyLog: options.keyLog }),
  });
  const relay = endpoint.addPeer({
    publicKey: options.relayPublicKey,
    address,
    ...(options.presharedKey && { presharedKey: options.presharedKey }),
    persistentKeepaliveMs: options.persistentKeepaliveMs ?? 0,
  });
  const client = new RunningClient(options, { endpoint, relay, socket, suiteName: suite.name });
  try {
    await client.listen();
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

interface Machinery {
  readonly endpoint: Endpoint;
  readonly relay: Peer;
  readonly socket: DatagramSocket;
  readonly suiteName: string;
}

class RunningClient implements Client {
  readonly forwards: BoundForward[] = [];
  readonly #options: ClientOptions;
  readonly #relay: Peer;
  readonly #driver: Driver;
  readonly #name: NameFollower;
  readonly #machinery: Machinery;
  readonly #listeners: TcpListener[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #watch = new SocketWatch(systemTimers);
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #closing: Promise<void> | undefined;
  #connections = 0;

  constructor(options: ClientOptions, machinery: Machinery) {
    const { endpoint, relay, socket } = machinery;
    this.#options = options;
    this.#machinery = machinery;
    this.#relay = relay;
    this.#driver = new Driver({
      endpoint,
      socket,
      handler: {
        onConnected: () => this.#onConnected(),
        onDisconnected: (_peer, error) => this.#onDisconnected(error),
        onWaiting: (_peer, since) => {
          this.#emit({ type: 'waiting', silentMs: this.#driver.now() - since });
        },
        onPathFragments: (_peer, datagramBytes) => this.#emit({ type: 'path-fragments', datagramBytes }),
        onResumed: (_peer, silentMs) => this.#emit({ type: 'resumed', silentMs }),
        onStream: (_peer, stream) => {
          // A relay opens nothing as long as there are no reverse forwards.
          stream.reset(StreamErrorCode.refused);
          stream.stopSending(StreamErrorCode.refused);
        },
      },
      ...(options.onFatal && { onFatal: options.onFatal }),
    });
    this.#name = new NameFollower({
      relay: options.relay,
      current: () => relay.stats().address,
      setAddress: (address) => {
        const { host } = options.relay;
        options.log.info({ address }, `no answer: trying ${host} at ${formatAddress(address)}`);
        relay.setAddress(this.#driver.now(), address);
        this.#driver.wake();
      },
      contact: () => this.#contact(),
      timers: systemTimers,
    });
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
    const { endpoint, socket, suiteName } = this.#machinery;
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
    this.#name.stop();
    for (const listener of this.#listeners) listener.close();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the client is closed'));
    await this.#driver.close();
    // A local program that takes its last bytes slowly outlives its stream.
    await resetSockets(this.#sockets);
  }

  #emit(event: ClientEvent): void {
    this.#options.onEvent?.(event);
  }

  #onConnected(): void {
    this.#emit({ type: 'connected', handshakeRttMs: this.#relay.stats().handshakeRttMs });
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #onDisconnected(error: ConnectionError): void {
    if (this.#closing !== undefined) return; // as it was asked to
    const reason = error.reason === '' ? `code ${error.code}` : error.reason;
    this.#emit({
      type: 'disconnected',
      reason: error.by === 'peer' ? `by the relay: ${reason}` : reason,
    });
  }

  #contact(): Contact {
    const now = this.#driver.now();
    return {
      ...this.#relay.stats(),
      hasKeys: this.#relay.session.sendableKeypairId(now) !== undefined,
    };
  }

  #carry(spec: LocalForward, socket: Socket): void {
    const { target } = spec;
    const from = `${socket.remoteAddress ?? '?'} port ${socket.remotePort ?? '?'}`;
    const id = ++this.#connections;
    const stream = this.#sockets.size < MAX_CONNECTIONS ? this.#relay.openStream() : undefined;
    this.#sockets.add(socket);
    this.#emit({ type: 'stream-opened', id, target, from });
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
          this.#sockets.delete(socket);
          this.#emit({ type: 'stream-closed', id, target, ...summary });
        },
      },
      this.#watch,
    );
  }
}

function formatAddress({ address, port }: Address): string {
  return formatTarget({ host: address, port });
}
