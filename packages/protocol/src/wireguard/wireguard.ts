/** WireGuard without a socket: which peer a datagram belongs to, whether it is genuine, and what is to be sent
 *  (spec wire, handshake, session). What the payloads mean is for the layer above. */

import type { Address } from '../address.js';
import { assert } from '../assert.js';
import { bytesKey, copySecret, wipe } from '../crypto/bytes.js';
import { type CryptoSuite, KEY_BYTES, TAG_BYTES } from '../crypto/suite.js';
import type { Deadline } from '../deadline.js';
import { DeadlineHeap } from '../deadline-heap.js';
import { DROP_REASONS, type DropReason } from '../failure.js';
import { readUint32 } from '../little-endian.js';
import { MAX_PEERS } from './constants.js';
import type { IndexEntry, SessionContext } from './context.js';
import { CookieChecker } from './cookie.js';
import { HandshakeNews, type HandshakeNewsEvent } from './handshake-news.js';
import { IndexTable } from './index-table.js';
import { consumeInitiation } from './initiation.js';
import { LoadMeter } from './load-meter.js';
import { hasMac2, hasValidMac1, mac1Key } from './mac.js';
import {
  CookieReplyOffset,
  classifyMessage,
  InitiationOffset,
  MessageType,
  MIN_TRANSPORT_BYTES,
  ResponseOffset,
  TransportOffset,
} from './messages.js';
import { RateLimiter } from './rate-limiter.js';
import { Session, type SessionOptions } from './session.js';

export interface WireGuardOptions {
  /** 32 bytes; copied. */
  readonly privateKey: Uint8Array;
  readonly suite: CryptoSuite;
  /** Cryptographically secure bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Wall clock, Unix milliseconds: only for the handshake's timestamp. */
  readonly unixTimeMs: () => number;
  /** Receives lines of Wireshark's key log (spec session 9). */
  readonly keyLog?: (line: string) => void;
}

/** What a datagram was. Valid until the next call. */
export type Received<Owner = undefined> =
  | {
      readonly kind: 'payload';
      readonly session: Session<Owner>;
      readonly keypairId: number;
      /** The plaintext, padding included, as a view into the datagram. */
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'keepalive' | 'handshake'; readonly session: Session<Owner> }
  /** An on-path observer can forge one, so it doesn't prove the peer is alive. */
  | { readonly kind: 'cookie-reply' }
  | {
      readonly kind: 'dropped';
      readonly reason: DropReason;
      /** A cookie reply, to be sent to where the datagram came from, at once or not at all (spec handshake 5.3). */
      readonly answer?: Uint8Array;
    };

type Dropped = Extract<Received<never>, { kind: 'dropped' }>;

export interface OutgoingMessage {
  readonly to: Address;
  readonly length: number;
}

const NOTHING = new Uint8Array(0);

/** A WireGuard has one static key, and a session for each peer.
 *
 *  Datagrams find their session by the receiver index that we drew for it, and an initiation by the static key inside it. Everything
 *  before the first expensive computation is cheap and keeps nothing, because anybody may send. Nothing here looks at every session: they
 *  say when they have something to send (two sets, handshakes and keepalives, since data goes out between them) and when they want to be
 *  woken, so that thousands of idle peers cost a busy one nothing. */
export class WireGuard<Owner = undefined> {
  readonly publicKey: Uint8Array;
  readonly #context: SessionContext<Session<Owner>>;
  readonly #indices: IndexTable<IndexEntry<Session<Owner>>>;
  readonly #mac1Key: Uint8Array;
  readonly #cookies: CookieChecker;
  readonly #load = new LoadMeter();
  readonly #limiter = new RateLimiter();
  /** By the peer's static key. */
  readonly #sessions = new Map<string, Session<Owner>>();
  readonly #news = new HandshakeNews<Session<Owner>>();
  /** Sessions that may have a handshake message to send, and sessions that may have a keepalive, in the order they said so. */
  readonly #shakingHands = new Set<Session<Owner>>();
  readonly #keepingAlive = new Set<Session<Owner>>();
  /** When each session has to be asked next: no later than its first timer, and perhaps sooner. */
  readonly #wakeUps = new DeadlineHeap<Session<Owner>>();
  #keypairs = 0;
  /** One object for all transport messages: they come too often for one each. */
  readonly #payload: {
    kind: 'payload';
    session: Session<Owner>;
    keypairId: number;
    payload: Uint8Array;
  };

  constructor(options: WireGuardOptions) {
    const { suite, random } = options;
    assert(options.privateKey.length === KEY_BYTES, 'a private key has 32 bytes');
    this.publicKey = suite.x25519PublicKey(options.privateKey);
    this.#indices = new IndexTable(random);
    this.#context = {
      suite,
      random,
      unixTimeMs: options.unixTimeMs,
      keyLog: options.keyLog,
      local: { privateKey: copySecret(options.privateKey), publicKey: this.publicKey },
      indices: this.#indices,
      news: this.#news,
      nextKeypairId: () => ++this.#keypairs,
      wakeAt: (session, at) => this.#wakeUps.set(session, at),
      wantHandshake: (session) => this.#shakingHands.add(session),
      wantKeepalive: (session) => this.#keepingAlive.add(session),
    };
    this.#mac1Key = mac1Key(suite, this.publicKey);
    this.#cookies = new CookieChecker(suite, random, this.publicKey);
    this.#payload = {
      kind: 'payload',
      session: undefined as unknown as Session<Owner>,
      keypairId: 0,
      payload: NOTHING,
    };
  }

  // ---- peers ------------------------------------------------------------------------------------------------

  /** @param makeOwner what `session.owner` is to be; the session may be used once it returned */
  addPeer(options: SessionOptions, makeOwner: (session: Session<Owner>) => Owner): Session<Owner> {
    const key = bytesKey(options.publicKey);
    assert(!this.#sessions.has(key), 'a peer is added once');
    assert(this.#sessions.size < MAX_PEERS, 'no more peers than MAX_PEERS');
    const session = new Session(this.#context, options, makeOwner);
    this.#sessions.set(key, session);
    return session;
  }

  removePeer(session: Session<Owner>): void {
    if (!this.#sessions.delete(bytesKey(session.publicKey))) return;
    this.#shakingHands.delete(session);
    this.#keepingAlive.delete(session);
    session.destroy();
    this.#wakeUps.delete(session);
  }

  /** Wipes all keys. Nothing may be called after it. */
  close(): void {
    for (const session of this.#sessions.values()) session.destroy();
    this.#sessions.clear();
    this.#shakingHands.clear();
    this.#keepingAlive.clear();
    this.#wakeUps.clear();
    this.#cookies.wipe();
    wipe(this.#context.local.privateKey);
  }

  // ---- inputs ------------------------------------------------------------------------------------------------

  /** One UDP payload; transport messages are opened in place. */
  handleDatagram(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    switch (classifyMessage(datagram)) {
      case MessageType.transport:
        return this.#handleTransport(now, datagram, from);
      case MessageType.initiation:
        return this.#handleInitiation(now, datagram, from);
      case MessageType.response:
        return this.#handleResponse(now, datagram, from);
      case MessageType.cookieReply:
        return this.#handleCookieReply(now, datagram);
      default:
        return dropped('malformed');
    }
  }

  /** @returns the sessions that were looked at because a timer was due */
  handleTimeout(now: number): readonly Session<Owner>[] {
    const woken: Session<Owner>[] = [];
    for (
      let session = this.#wakeUps.takeDue(now);
      session !== undefined;
      session = this.#wakeUps.takeDue(now)
    ) {
      session.handleTimeout(now);
      this.#wakeUps.set(session, session.pollTimeout()?.at ?? Number.POSITIVE_INFINITY);
      woken.push(session);
    }
    return woken;
  }

  // ---- outputs -----------------------------------------------------------------------------------------------

  /** News waits for `pollNews`, also after a datagram that was dropped. */
  get hasNews(): boolean {
    return !this.#news.isEmpty;
  }
  pollNews(): HandshakeNewsEvent<Session<Owner>> | undefined {
    return this.#news.poll();
  }

  /** Everything in turn, where there is nothing but WireGuard: one message into `into`, at least 148 bytes.
   *  @returns where it goes, valid until the next call, or undefined when there is nothing to send */
  pollMessage(now: number, into: Uint8Array): OutgoingMessage | undefined {
    // A keepalive without keys is a handshake.
    return this.pollHandshake(now, into) ?? this.pollKeepalive(now, into) ?? this.pollHandshake(now, into);
  }

  /** Writes one initiation or response into `into`, at least 148 bytes. To be polled before anything that bulk data could
   *  delay: a session that cannot renew its keys ends.
   *  @returns where it goes, or undefined when there is nothing to send */
  pollHandshake(now: number, into: Uint8Array): OutgoingMessage | undefined {
    for (const session of this.#shakingHands) {
      const length = session.pollHandshake(now, into);
      if (length > 0) return { to: session.path.address as Address, length };
      this.#shakingHands.delete(session);
    }
    return undefined;
  }

  /** Writes one keepalive into `into`, at least 32 bytes. To be polled after data, which makes it needless.
   *  @returns where it goes, or undefined when there is nothing to send */
  pollKeepalive(now: number, into: Uint8Array): OutgoingMessage | undefined {
    for (const session of this.#keepingAlive) {
      this.#keepingAlive.delete(session);
      const length = session.pollKeepalive(now, into);
      if (length > 0) return { to: session.path.address as Address, length };
    }
    return undefined;
  }

  pollTimeout(): Deadline | undefined {
    for (let session = this.#wakeUps.earliest; session !== undefined; session = this.#wakeUps.earliest) {
      const deadline = session.pollTimeout();
      if (deadline?.at === this.#wakeUps.earliestAt) return deadline;
      // Its first timer was moved back, or is off.
      this.#wakeUps.set(session, deadline?.at ?? Number.POSITIVE_INFINITY);
    }
    return undefined;
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #handleTransport(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    const entry = this.#indices.get(readUint32(datagram, TransportOffset.receiverIndex));
    const keypair = entry?.keypair;
    if (entry === undefined || keypair === undefined) return dropped('unknown-index');
    const { session } = entry;
    const refused = session.handleTransport(now, from, keypair, datagram);
    if (refused !== undefined) return dropped(refused);
    if (datagram.length === MIN_TRANSPORT_BYTES) return { kind: 'keepalive', session };
    this.#payload.session = session;
    this.#payload.keypairId = keypair.id;
    this.#payload.payload = datagram.subarray(TransportOffset.payload, datagram.length - TAG_BYTES);
    return this.#payload;
  }

  #handleInitiation(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    const senderIndex = readUint32(datagram, InitiationOffset.senderIndex);
    const refused = this.#guard(now, datagram, senderIndex, from);
    if (refused !== undefined) return refused;
    const { suite, local } = this.#context;
    let claimed: Uint8Array | undefined;
    const initiation = consumeInitiation(suite, local, datagram, (key) => {
      claimed = key;
      return this.#sessions.get(bytesKey(key));
    });
    if (initiation === 'unknown-peer') this.#reportUnknownKey(now, datagram, claimed as Uint8Array, from);
    if (typeof initiation === 'string') return dropped(initiation);
    const { peer: session, state, timestamp } = initiation;
    const failed = session.handleInitiation(now, from, {
      state,
      senderIndex,
      timestamp,
      bytes: datagram.length,
    });
    if (failed !== undefined) return dropped(failed);
    return { kind: 'handshake', session };
  }

  /** Only a sender that proves to hold the private half of the key is reported (spec handshake 7). */
  #reportUnknownKey(now: number, datagram: Uint8Array, publicKey: Uint8Array, from: Address): void {
    if (!this.#news.mayCheck(now, publicKey)) return;
    const { suite, local } = this.#context;
    const staticStatic = suite.x25519(local.privateKey, publicKey);
    const proof = consumeInitiation(suite, local, datagram, () => ({ staticStatic }));
    wipe(staticStatic);
    if (typeof proof === 'string') return;
    proof.state.wipe();
    this.#news.addUnknownKey(now, publicKey, from);
  }

  #handleResponse(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    // Cheaper than a mac: one that nothing waits for is no load and gets no cookie (spec handshake 3.1).
    const session = this.#indices.get(readUint32(datagram, ResponseOffset.receiverIndex))?.session;
    if (session === undefined) return dropped('unknown-index');
    const refused = this.#guard(now, datagram, readUint32(datagram, ResponseOffset.senderIndex), from);
    if (refused !== undefined) return refused;
    const failed = session.handleResponse(now, from, datagram);
    if (failed !== undefined) return dropped(failed);
    return { kind: 'handshake', session };
  }

  #handleCookieReply(now: number, datagram: Uint8Array): Received<Owner> {
    const session = this.#indices.get(readUint32(datagram, CookieReplyOffset.receiverIndex))?.session;
    if (session === undefined) return dropped('unknown-index');
    const refused = session.handleCookieReply(now, datagram);
    return refused === undefined ? { kind: 'cookie-reply' } : dropped(refused);
  }

  /** What comes before any expensive computation (spec handshake 6).
   *  @returns the end of the handshake message, or undefined when it may go on */
  #guard(now: number, message: Uint8Array, senderIndex: number, from: Address): Dropped | undefined {
    if (!hasValidMac1(this.#context.suite, this.#mac1Key, message)) return dropped('wrong-mac1');
    if (!this.#load.count(now)) return undefined;
    const cookies = this.#cookies;
    if (hasMac2(message) && cookies.hasValidMac2(message, cookies.cookie(now, from))) {
      return this.#limiter.allow(now, from.address) ? undefined : dropped('rate-limited');
    }
    if (!cookies.mayReply(now)) return dropped('cookie-required');
    const answer = cookies.createReply(message, senderIndex, cookies.cookie(now, from));
    return { kind: 'dropped', reason: 'cookie-required', answer };
  }
}

/** One object for each reason: a flood makes no garbage. */
const DROPPED = new Map(
  DROP_REASONS.map((reason): [DropReason, Dropped] => [reason, { kind: 'dropped', reason }]),
);

function dropped(reason: DropReason): Dropped {
  return DROPPED.get(reason) as Dropped;
}
