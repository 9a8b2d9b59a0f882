import type { Address } from '../address.js';
import { assert } from '../assert.js';
import { bytesKey, copySecret, wipe } from '../crypto/bytes.js';
import { type CryptoSuite, KEY_BYTES, TAG_BYTES } from '../crypto/suite.js';
import type { Deadline } from '../deadline.js';
import { DeadlineHeap } from '../deadline-heap.js';
import { readUint32 } from '../little-endian.js';
import { MAX_PEERS } from './constants.js';
import type { IndexEntry, SessionContext } from './context.js';
import { dropped } from './dropped.js';
import { HandshakeGuard } from './handshake-guard.js';
import { HandshakeNews, type HandshakeNewsEvent } from './handshake-news.js';
import { IndexTable } from './index-table.js';
import { consumeInitiation } from './initiation.js';
import { staticKeyLine } from './key-log.js';
import {
  CookieReplyOffset,
  classifyMessage,
  InitiationOffset,
  MessageType,
  MIN_TRANSPORT_BYTES,
  ResponseOffset,
  TransportOffset,
} from './messages.js';
import type { OutgoingMessage, Received } from './received.js';
import { Session, type SessionOptions } from './session.js';
import { type Shard, shardOfIndex, shardOfKey, WHOLE } from './shard.js';

export interface WireGuardOptions {
  /** 32 bytes; copied. */
  readonly privateKey: Uint8Array;
  readonly suite: CryptoSuite;
  /** Returns cryptographically secure bytes. */
  readonly random: (length: number) => Uint8Array;
  /** The wall clock, in Unix milliseconds. It serves only to make and judge the timestamps of initiations. */
  readonly unixTimeMs: () => number;
  /** Receives the lines of Wireshark's key log, which contain secrets (spec session 9). Off if absent. */
  readonly keyLog?: (line: string) => void;
  /** The peers that this process serves. By default all. */
  readonly shard?: Shard;
}

const NOTHING = new Uint8Array(0);

/** The WireGuard protocol behind one socket: one static key of our own, and a session for each peer.
 *
 *  It finds out which peer a datagram belongs to and whether it is genuine, and it says what has to be sent
 *  (docs/spec/wire.md, handshake.md, session.md). Datagrams lead to their session by the receiver index that we drew
 *  for it, and initiations by the static key inside them. Anybody may send a datagram, so everything that comes before
 *  the first expensive computation is cheap and stores nothing about the sender.
 *
 *  The owner, normally the endpoint, passes in datagrams and the time, and polls for messages and reports. It seals its
 *  own data with the sessions. WireGuard never opens a socket, reads a clock or looks into a payload.
 *
 *  Apart from `close`, no call goes through all sessions, so thousands of idle peers cost a busy one nothing. A session
 *  says when it has a handshake message or a keepalive to send, and when it wants to be woken, and only such sessions
 *  are asked. Handshake messages and keepalives are polled separately, because the owner sends its data between
 *  them. */
export class WireGuard<Owner = undefined> {
  readonly publicKey: Uint8Array;
  readonly #context: SessionContext<Session<Owner>>;
  readonly #indices: IndexTable<IndexEntry<Session<Owner>>>;
  readonly #guard: HandshakeGuard;
  readonly #shard: Shard;
  /** By the peer's static public key. */
  readonly #sessions = new Map<string, Session<Owner>>();
  readonly #news = new HandshakeNews<Session<Owner>>();
  /** Sessions that may have a handshake message to send, in the order in which they said so. */
  readonly #handshakeSenders = new Set<Session<Owner>>();
  /** Sessions that may have a keepalive to send, in the order in which they said so. */
  readonly #keepaliveSenders = new Set<Session<Owner>>();
  /** When each session has to be asked about its timers: when its first timer is due, or sooner. */
  readonly #wakeUps = new DeadlineHeap<Session<Owner>>();
  /** The id of the newest keypair. */
  #keypairs = 0;
  /** The result for all transport messages. They are too frequent to allocate an object for each. */
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
    this.#shard = options.shard ?? WHOLE;
    this.#indices = new IndexTable(random, this.#shard);
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
      wantHandshake: (session) => this.#handshakeSenders.add(session),
      wantKeepalive: (session) => this.#keepaliveSenders.add(session),
    };
    options.keyLog?.(staticKeyLine(options.privateKey));
    this.#guard = new HandshakeGuard(suite, random, this.publicKey);
    this.#payload = {
      kind: 'payload',
      session: undefined as unknown as Session<Owner>,
      keypairId: 0,
      payload: NOTHING,
    };
  }

  // ---- peers ------------------------------------------------------------------------------------------------

  /** Adds a peer. Its key must not belong to a peer already, and there may be at most MAX_PEERS.
   *  @param makeOwner creates `session.owner`. It must not use the session before it returns. */
  addPeer(options: SessionOptions, makeOwner: (session: Session<Owner>) => Owner): Session<Owner> {
    const key = bytesKey(options.publicKey);
    assert(!this.#sessions.has(key), 'a peer is added once');
    assert(this.#sessions.size < MAX_PEERS, 'no more peers than MAX_PEERS');
    const session = new Session(this.#context, options, makeOwner);
    this.#sessions.set(key, session);
    return session;
  }

  /** Removes a peer, and wipes everything that is secret in its session. */
  removePeer(session: Session<Owner>): void {
    if (!this.#sessions.delete(bytesKey(session.publicKey))) return;
    this.#handshakeSenders.delete(session);
    this.#keepaliveSenders.delete(session);
    session.destroy();
    this.#wakeUps.delete(session);
  }

  /** Wipes all keys. No method may be called after it. */
  close(): void {
    for (const session of this.#sessions.values()) session.destroy();
    this.#sessions.clear();
    this.#handshakeSenders.clear();
    this.#keepaliveSenders.clear();
    this.#wakeUps.clear();
    this.#guard.wipe();
    wipe(this.#context.local.privateKey);
  }

  // ---- inputs ------------------------------------------------------------------------------------------------

  /** Handles one datagram. A transport message is opened in place.
   *  @param datagram a whole UDP payload */
  handleDatagram(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    switch (classifyMessage(datagram)) {
      case MessageType.transport:
        return this.#handleTransport(now, datagram, from);
      case MessageType.initiation:
        return this.#guardInitiation(now, datagram, from);
      case MessageType.response:
        return this.#handleResponse(now, datagram, from);
      case MessageType.cookieReply:
        return this.#handleCookieReply(now, datagram);
      default:
        return dropped('malformed');
    }
  }

  /** Handles a datagram that another shard has passed on. The guard of that shard has let it through. */
  handlePassedOn(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    return classifyMessage(datagram) === MessageType.initiation
      ? this.#handleInitiation(now, datagram, from)
      : this.handleDatagram(now, datagram, from);
  }

  /** Handles the timers that are due.
   *  @returns the sessions that were asked because one of their timers may have been due */
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

  /** Whether reports about refused handshakes wait for `pollNews`. A datagram that is dropped may cause one. */
  get hasNews(): boolean {
    return !this.#news.isEmpty;
  }
  /** Takes the oldest report, if there is one. */
  pollNews(): HandshakeNewsEvent<Session<Owner>> | undefined {
    return this.#news.poll();
  }

  /** Writes the next message, of whatever kind. This is for callers that use WireGuard without a layer above.
   *  @param into at least 148 bytes
   *  @returns where it goes, or undefined if there is nothing to send */
  pollMessage(now: number, into: Uint8Array): OutgoingMessage | undefined {
    // A keepalive that finds no keypair starts a handshake instead.
    return this.pollHandshake(now, into) ?? this.pollKeepalive(now, into) ?? this.pollHandshake(now, into);
  }

  /** Writes one initiation or response. Callers poll it before bulk data, which must not delay it: a session that
   *  cannot renew its keys ends.
   *  @param into at least 148 bytes
   *  @returns where it goes, or undefined if there is nothing to send */
  pollHandshake(now: number, into: Uint8Array): OutgoingMessage | undefined {
    for (const session of this.#handshakeSenders) {
      const length = session.pollHandshake(now, into);
      if (length > 0) return { to: session.path.address as Address, length };
      this.#handshakeSenders.delete(session);
    }
    return undefined;
  }

  /** Writes one keepalive. Callers poll it after data, which makes a keepalive unnecessary.
   *  @param into at least 32 bytes
   *  @returns where it goes, or undefined if there is nothing to send */
  pollKeepalive(now: number, into: Uint8Array): OutgoingMessage | undefined {
    for (const session of this.#keepaliveSenders) {
      this.#keepaliveSenders.delete(session);
      const length = session.pollKeepalive(now, into);
      if (length > 0) return { to: session.path.address as Address, length };
    }
    return undefined;
  }

  /** When the next timer of any session is due. */
  pollTimeout(): Deadline | undefined {
    for (let session = this.#wakeUps.earliest; session !== undefined; session = this.#wakeUps.earliest) {
      const deadline = session.pollTimeout();
      if (deadline?.at === this.#wakeUps.earliestAt) return deadline;
      // Its first timer was moved back, or is off: that was not announced.
      this.#wakeUps.set(session, deadline?.at ?? Number.POSITIVE_INFINITY);
    }
    return undefined;
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #handleTransport(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    const index = readUint32(datagram, TransportOffset.receiverIndex);
    const entry = this.#indices.get(index);
    const keypair = entry?.keypair;
    if (entry === undefined || keypair === undefined) return this.#unknownIndex(index);
    const { session } = entry;
    const refused = session.handleTransport(now, from, keypair, datagram);
    if (refused !== undefined) return dropped(refused);
    if (datagram.length === MIN_TRANSPORT_BYTES) return { kind: 'keepalive', session };
    this.#payload.session = session;
    this.#payload.keypairId = keypair.id;
    this.#payload.payload = datagram.subarray(TransportOffset.payload, datagram.length - TAG_BYTES);
    return this.#payload;
  }

  /** What becomes of a message with an index that we do not know. */
  #unknownIndex(index: number): Received<Owner> {
    const shard = shardOfIndex(index, this.#shard.count);
    return shard === this.#shard.index ? dropped('unknown-index') : { kind: 'elsewhere', shard };
  }

  #guardInitiation(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    const senderIndex = readUint32(datagram, InitiationOffset.senderIndex);
    return this.#guard.check(now, datagram, senderIndex, from) ?? this.#handleInitiation(now, datagram, from);
  }

  #handleInitiation(now: number, datagram: Uint8Array, from: Address): Received<Owner> {
    const senderIndex = readUint32(datagram, InitiationOffset.senderIndex);
    const { suite, local } = this.#context;
    let claimed: Uint8Array | undefined;
    const initiation = consumeInitiation(suite, local, datagram, (key) => {
      claimed = key;
      return this.#sessions.get(bytesKey(key));
    });
    if (initiation === 'unknown-peer') {
      const shard = shardOfKey(suite, claimed as Uint8Array, this.#shard.count);
      if (shard !== this.#shard.index) return { kind: 'elsewhere', shard };
      this.#reportUnknownKey(now, datagram, claimed as Uint8Array, from);
    }
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

  /** Reports an unknown key, but only if the sender proves that it holds the private key (spec handshake 7). */
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
    // This is cheaper than a MAC. A response that no handshake waits for does not count as load and gets no cookie
    // reply (spec handshake 3.1).
    const index = readUint32(datagram, ResponseOffset.receiverIndex);
    const entry = this.#indices.get(index);
    if (entry === undefined) return this.#unknownIndex(index);
    if (entry.keypair !== undefined) return dropped('unexpected-handshake');
    const { session } = entry;
    const refused = this.#guard.check(now, datagram, readUint32(datagram, ResponseOffset.senderIndex), from);
    if (refused !== undefined) return refused;
    const failed = session.handleResponse(now, from, datagram);
    if (failed !== undefined) return dropped(failed);
    return { kind: 'handshake', session };
  }

  #handleCookieReply(now: number, datagram: Uint8Array): Received<Owner> {
    const index = readUint32(datagram, CookieReplyOffset.receiverIndex);
    const session = this.#indices.get(index)?.session;
    if (session === undefined) return this.#unknownIndex(index);
    const refused = session.handleCookieReply(now, datagram);
    return refused === undefined ? { kind: 'cookie-reply' } : dropped(refused);
  }
}
