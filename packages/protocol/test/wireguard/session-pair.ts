/** Two WireGuards in virtual time, joined by a link that delivers at once. A test decides which messages it loses. */
import {
  type Address,
  type CryptoSuite,
  createPortableSuite,
  type OutgoingMessage,
  type Received,
  RoamingPath,
  type Session,
  type SessionOptions,
  sameAddress,
  WireGuard,
} from '@underpass/protocol';

export const MESSAGE_NAMES = ['', 'initiation', 'response', 'cookie-reply', 'transport'] as const;

export interface Sent {
  readonly at: number;
  readonly from: 'a' | 'b';
  readonly name: (typeof MESSAGE_NAMES)[number];
  readonly bytes: Uint8Array;
  readonly to: Address;
}

/** A path that follows WireGuard's rule, with a limit on what may be sent that a test can set. */
export class LimitedPath extends RoamingPath {
  override allowanceBytes = Number.POSITIVE_INFINITY;
}

export interface Side {
  readonly name: 'a' | 'b';
  readonly core: WireGuard;
  /** The other side, as this one knows it. */
  readonly peer: Session;
  readonly path: LimitedPath;
  address: Address;
  readonly received: Received['kind'][];
  readonly payloads: Uint8Array[];
  readonly drops: string[];
}

export interface PairOptions {
  readonly presharedKey?: Uint8Array;
  readonly persistentKeepaliveMs?: number;
  readonly unixTimeMs?: () => number;
  readonly keyLog?: (line: string) => void;
  readonly suite?: CryptoSuite;
  /** The source of randomness of each side. */
  readonly random?: (seed: number) => (length: number) => Uint8Array;
}

export const SUITE = createPortableSuite();
const UNIX_MS = 1_700_000_000_000;

/** A source of bytes that are the same in every run. They come in Buffers, as Node's own random bytes and datagrams
 *  do. */
export function countingRandom(seed: number): (length: number) => Uint8Array {
  let state = seed >>> 0;
  return (length) =>
    Buffer.from(
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state >>> 24;
      }),
    );
}

/** Sides A and B and the link between them. A knows B's address from the start; B learns A's. The test moves the clock
 *  and reads from `sent` what each side sent. */
export class SessionPair {
  now = 0;
  readonly a: Side;
  readonly b: Side;
  readonly sent: Sent[] = [];
  /** Decides whether a message is delivered. */
  deliver: (message: Sent) => boolean = () => true;

  constructor(options: PairOptions = {}) {
    const unixTimeMs = options.unixTimeMs ?? (() => UNIX_MS + this.now);
    const keys = [countingRandom(1)(32), countingRandom(2)(32)] as const;
    const [a, b] = keys.map(
      (privateKey, i) =>
        new WireGuard({
          privateKey,
          suite: options.suite ?? SUITE,
          random: (options.random ?? countingRandom)(3 + i),
          unixTimeMs,
          ...(options.keyLog && { keyLog: options.keyLog }),
        }),
    ) as [WireGuard, WireGuard];
    const addressOfA = { address: '192.0.2.1', port: 1 };
    const addressOfB = { address: '192.0.2.2', port: 2 };
    const { presharedKey, persistentKeepaliveMs } = options;
    const shared = { ...(presharedKey && { presharedKey }) };
    this.a = newSide('a', a, addressOfA, {
      publicKey: b.publicKey,
      path: new LimitedPath(addressOfB),
      ...shared,
      ...(persistentKeepaliveMs && { persistentKeepaliveMs }),
    });
    this.b = newSide('b', b, addressOfB, { publicKey: a.publicKey, path: new LimitedPath(), ...shared });
  }

  other(side: Side): Side {
    return side === this.a ? this.b : this.a;
  }

  /** Sends a payload. If there is no keypair for it, starts a handshake instead.
   *  @returns whether the payload was sent */
  send(side: Side, payload: Uint8Array): boolean {
    if (side.peer.sendableKeypairId(this.now) === undefined) {
      side.peer.requestHandshake(this.now);
      this.exchange();
      return false;
    }
    const buffer = new Uint8Array(16 + payload.length + 32);
    buffer.set(payload, 16);
    const length = side.peer.seal(this.now, buffer, 0, payload.length);
    this.#transmit(side, buffer.subarray(0, length), side.path.address as Address);
    this.exchange();
    return true;
  }

  /** Has A start a handshake with B, and delivers its messages. */
  connect(): void {
    this.a.peer.requestHandshake(this.now);
    this.exchange();
  }

  /** Polls both sides, and delivers what they send, until neither has anything to send. */
  exchange(): void {
    const buffer = new Uint8Array(148);
    for (let silent = 0; silent < 2; ) {
      silent = 0;
      for (const side of [this.a, this.b]) {
        const message: OutgoingMessage | undefined = side.core.pollMessage(this.now, buffer);
        if (message === undefined) silent++;
        else this.#transmit(side, buffer.slice(0, message.length), message.to);
      }
    }
  }

  /** Lets time pass until `time`, and calls both sides whenever one of them asked for it. */
  runUntil(time: number): void {
    for (;;) {
      const deadlines = [this.a, this.b].map((side) => side.core.pollTimeout()?.at ?? Infinity);
      const next = Math.min(...deadlines);
      if (next > time) break;
      this.now = Math.max(this.now, next);
      for (const side of [this.a, this.b]) side.core.handleTimeout(this.now);
      this.exchange();
    }
    this.now = time;
  }

  /** Passes a datagram to a side, as if it came from `from`. */
  receive(side: Side, bytes: Uint8Array, from: Address): Received {
    const received = side.core.handleDatagram(this.now, Buffer.from(bytes), from);
    side.received.push(received.kind);
    if (received.kind === 'payload') side.payloads.push(new Uint8Array(received.payload));
    if (received.kind === 'dropped') {
      side.drops.push(received.reason);
      if (received.answer !== undefined) this.#transmit(side, received.answer, from);
    }
    return received;
  }

  /** Lists what was sent since the last call: time, side and message name. */
  takeSent(): string[] {
    return this.sent.splice(0).map(({ at, from, name, bytes }) => {
      const what = name === 'transport' && bytes.length === 32 ? 'keepalive' : name;
      return `${at} ${from} ${what}`;
    });
  }

  #transmit(side: Side, bytes: Uint8Array, to: Address): void {
    const name = MESSAGE_NAMES[bytes[0] as number] as Sent['name'];
    const message = { at: this.now, from: side.name, name, bytes: bytes.slice(), to };
    this.sent.push(message);
    const other = this.other(side);
    if (sameAddress(to, other.address) && this.deliver(message)) {
      this.receive(other, bytes.slice(), side.address);
    }
  }
}

function newSide(
  name: 'a' | 'b',
  core: WireGuard,
  address: Address,
  options: SessionOptions & { readonly path: LimitedPath },
): Side {
  const peer = core.addPeer(options, () => undefined);
  return { name, core, address, peer, path: options.path, received: [], payloads: [], drops: [] };
}
