/** A relay on loopback, and a minimal client for it: an endpoint on a UDP socket. */
import { randomBytes } from 'node:crypto';
import {
  type AllowRule,
  decodeStatus,
  encodeRequest,
  parseAllowRule,
  type RequestStatus,
  type StreamRequest,
} from '@underpass/forward';
import { Endpoint, type Peer, type Stream } from '@underpass/protocol';
import {
  chooseSuite,
  Driver,
  openUdpSocket,
  secureRandom,
  silentLog,
  transportOver,
  unixTimeMs,
} from '@underpass/runtime';
import { onTestFinished } from 'vitest';
import type { Relay, RelayEvent, RelayOptions } from '../src/index.js';
import { startRelay } from '../src/index.js';

const suite = await chooseSuite();

export interface Keys {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export function newKeys(): Keys {
  const privateKey = randomBytes(32);
  return { privateKey, publicKey: suite.x25519PublicKey(privateKey) };
}

export function rules(...texts: readonly string[]): AllowRule[] {
  return texts.map((text) => {
    const rule = parseAllowRule(text);
    if ('reason' in rule) throw new Error(rule.reason);
    return rule;
  });
}

/** Records events and lets a test wait for more. */
class Changes {
  #waiting: (() => void)[] = [];

  readonly notify = (): void => {
    for (const wake of this.#waiting.splice(0)) wake();
  };
  async until(isMet: () => boolean): Promise<void> {
    while (!isMet()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** All that a client has to know of a relay. */
export interface Reachable {
  readonly relay: Pick<Relay, 'address'>;
  readonly publicKey: Uint8Array;
}

export interface TestRelay extends Reachable {
  readonly relay: Relay;
  readonly events: readonly RelayEvent[];
  /** Resolves with the first event of that type, past or future. */
  next<K extends RelayEvent['type']>(type: K): Promise<Extract<RelayEvent, { type: K }>>;
}

export async function runRelay(
  peers: RelayOptions['peers'],
  more: Partial<RelayOptions> = {},
): Promise<TestRelay> {
  const { privateKey, publicKey } = newKeys();
  const events: RelayEvent[] = [];
  const changes = new Changes();
  const relay = await startRelay({
    listen: { host: '127.0.0.1', port: 0 },
    privateKey,
    peers,
    log: silentLog,
    onEvent: (event) => {
      events.push(event);
      changes.notify();
    },
    ...more,
  });
  onTestFinished(() => relay.close());
  const next: TestRelay['next'] = async (type) => {
    const find = () => events.find((event) => event.type === type);
    await changes.until(() => find() !== undefined);
    return find() as never;
  };
  return { relay, publicKey, events, next };
}

/** One request and everything that came back. */
export interface Answer {
  readonly stream: Stream;
  readonly status: () => RequestStatus | undefined;
  readonly bytes: () => Buffer;
  until(isMet: (answer: Answer) => boolean): Promise<void>;
  isOver: boolean;
  resetCode: number | undefined;
}

export class BareClient {
  readonly #driver: Driver;
  readonly #relay: Peer;
  /** The errors with which connections ended. */
  readonly disconnects: string[] = [];
  readonly #changes = new Changes();
  /** The streams that the relay opened, and how many of them the test has asked for. */
  readonly #opened: Answer[] = [];
  #taken = 0;

  private constructor(driver: Driver, relay: Peer) {
    this.#driver = driver;
    this.#relay = relay;
  }

  static async connect(to: Reachable, keys: Keys, presharedKey?: Uint8Array): Promise<BareClient> {
    const socket = await openUdpSocket({ host: '127.0.0.1', port: 0 });
    const endpoint = new Endpoint({
      role: 'client',
      privateKey: Uint8Array.from(keys.privateKey),
      suite,
      random: secureRandom,
      unixTimeMs,
      transport: transportOver(socket, {}),
    });
    const relay = endpoint.addPeer({
      publicKey: to.publicKey,
      address: to.relay.address,
      ...(presharedKey && { presharedKey }),
    });
    const driver: Driver = new Driver({
      endpoint,
      socket,
      handler: {
        onConnected: () => client.#changes.notify(),
        onDisconnected: (_peer, { reason }) => {
          client.disconnects.push(reason);
          client.#changes.notify();
        },
        onStream: (_peer, stream) => client.#onStream(stream),
      },
    });
    const client = new BareClient(driver, relay);
    onTestFinished(() => driver.close());
    relay.connect(driver.now());
    driver.wake();
    return client;
  }

  until(isMet: (client: this) => boolean): Promise<void> {
    return this.#changes.until(() => isMet(this));
  }
  get isConnected(): boolean {
    return this.#relay.stats().connected;
  }

  /** Requests a target and sends `bytes` after the request. */
  ask(host: string, port: number, bytes = ''): Answer {
    return this.request({ kind: 'tcp', host, port }, bytes);
  }

  /** Sends a request of any kind, and `bytes` after it. */
  request(request: StreamRequest, bytes = ''): Answer {
    const stream = this.#relay.openStream();
    if (stream === undefined) throw new Error('no stream');
    const answer = this.#attach(stream);
    stream.write(encodeRequest(request));
    if (bytes !== '') stream.write(Buffer.from(bytes));
    this.#driver.wake();
    return answer;
  }

  /** The next stream that the relay opens, past or future. Its `bytes` begin with the second byte of the request. */
  async nextStream(): Promise<Answer> {
    const index = this.#taken++;
    await this.until(() => this.#opened[index] !== undefined);
    return this.#opened[index] as Answer;
  }

  /** Call after commands on streams. */
  wake(): void {
    this.#driver.wake();
  }

  #onStream(stream: Stream): void {
    const answer = this.#attach(stream);
    this.#opened.push(answer);
    this.#changes.notify();
  }

  #attach(stream: Stream): Answer {
    const chunks: Uint8Array[] = [];
    const changes = new Changes();
    const all = (): Buffer => Buffer.concat(chunks);
    const answer: Answer = {
      stream,
      status: () => {
        const decoded = decodeStatus(all());
        return decoded.ok ? decoded.value : undefined;
      },
      bytes: () => all().subarray(1),
      until: (isMet) => changes.until(() => isMet(answer)),
      isOver: false,
      resetCode: undefined,
    };
    const end = (): void => {
      answer.isOver = true;
      changes.notify();
    };
    const read = (): void => {
      for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) chunks.push(chunk);
      if (stream.readFinished) answer.isOver = true;
      changes.notify();
    };
    this.#driver.attach(stream, {
      onReadable: read,
      onReset: (code) => {
        answer.resetCode = code;
        end();
      },
      onClosed: end,
    });
    read();
    return answer;
  }
}
