/** WireGuard without a socket: which peer a datagram belongs to, whether it is genuine, and what is to be sent
 *  (spec wire, handshake, session). What the payloads mean is for the layer above. */

import type { Address } from '../address.js';
import { assert } from '../assert.js';
import { bytesKey, copySecret, wipe } from '../crypto/bytes.js';
import { type CryptoSuite, KEY_BYTES, TAG_BYTES } from '../crypto/suite.js';
import { type Deadline, earlier } from '../deadline.js';
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
import { WireGuardPeer, type WireGuardPeerOptions } from './session.js';

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
export type Received =
  | {
      readonly kind: 'payload';
      readonly peer: WireGuardPeer;
      readonly keypairId: number;
      /** The plaintext, padding included, as a view into the datagram. */
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'keepalive' | 'handshake'; readonly peer: WireGuardPeer }
  /** An on-path observer can forge one, so it doesn't prove the peer is alive. */
  | { readonly kind: 'cookie-reply' }
  | {
      readonly kind: 'dropped';
      readonly reason: DropReason;
      /** A cookie reply, to be sent to where the datagram came from, at once or not at all (spec handshake 5.3). */
      readonly answer?: Uint8Array;
    };

type Dropped = Extract<Received, { kind: 'dropped' }>;

export interface OutgoingMessage {
  readonly to: Address;
  readonly length: number;
}

const NOTHING = new Uint8Array(0);

export class WireGuard {
  readonly publicKey: Uint8Array;
  readonly #context: SessionContext;
  readonly #indices: IndexTable<IndexEntry>;
  readonly #mac1Key: Uint8Array;
  readonly #cookies: CookieChecker;
  readonly #load = new LoadMeter();
  readonly #limiter = new RateLimiter();
  readonly #peers = new Map<string, WireGuardPeer>();
  readonly #news = new HandshakeNews();
  /** Peers that may have a handshake message to send, and peers that may have a keepalive, in the order they said so. */
  readonly #shakingHands = new Set<WireGuardPeer>();
  readonly #keepingAlive = new Set<WireGuardPeer>();
  #keypairs = 0;
  /** One object for all transport messages: they come too often for one each. */
  readonly #payload: {
    kind: 'payload';
    peer: WireGuardPeer;
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
      wantHandshake: (peer) => this.#shakingHands.add(peer),
      wantKeepalive: (peer) => this.#keepingAlive.add(peer),
    };
    this.#mac1Key = mac1Key(suite, this.publicKey);
    this.#cookies = new CookieChecker(suite, random, this.publicKey);
    this.#payload = {
      kind: 'payload',
      peer: undefined as unknown as WireGuardPeer,
      keypairId: 0,
      payload: NOTHING,
    };
  }

  // ---- peers ------------------------------------------------------------------------------------------------

  addPeer(options: WireGuardPeerOptions): WireGuardPeer {
    const key = bytesKey(options.publicKey);
    assert(!this.#peers.has(key), 'a peer is added once');
    assert(this.#peers.size < MAX_PEERS, 'no more peers than MAX_PEERS');
    const peer = new WireGuardPeer(this.#context, options);
    this.#peers.set(key, peer);
    return peer;
  }

  removePeer(peer: WireGuardPeer): void {
    if (!this.#peers.delete(bytesKey(peer.publicKey))) return;
    this.#shakingHands.delete(peer);
    this.#keepingAlive.delete(peer);
    peer.destroy();
  }

  /** Wipes all keys. Nothing may be called after it. */
  close(): void {
    for (const peer of this.#peers.values()) peer.destroy();
    this.#peers.clear();
    this.#shakingHands.clear();
    this.#keepingAlive.clear();
    this.#cookies.wipe();
    wipe(this.#context.local.privateKey);
  }

  // ---- inputs ------------------------------------------------------------------------------------------------

  /** One UDP payload; transport messages are opened in place. */
  handleDatagram(now: number, datagram: Uint8Array, from: Address): Received {
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

  handleTimeout(now: number): void {
    for (const peer of this.#peers.values()) peer.handleTimeout(now);
  }

  // ---- outputs -----------------------------------------------------------------------------------------------

  /** News waits for `pollNews`, also after a datagram that was dropped. */
  get hasNews(): boolean {
    return !this.#news.isEmpty;
  }
  pollNews(): HandshakeNewsEvent | undefined {
    return this.#news.poll();
  }

  /** Everything in turn, where there is nothing but WireGuard: one message into `into`, at least 148 bytes.
   *  @returns where it goes, valid until the next call, or undefined when there is nothing to send */
  pollTransmit(now: number, into: Uint8Array): OutgoingMessage | undefined {
    // A keepalive without keys is a handshake.
    return this.pollHandshake(now, into) ?? this.pollKeepalive(now, into) ?? this.pollHandshake(now, into);
  }

  /** Writes one initiation or response into `into`, at least 148 bytes. To be polled before anything that bulk data could
   *  delay: a session that cannot renew its keys ends.
   *  @returns where it goes, or undefined when there is nothing to send */
  pollHandshake(now: number, into: Uint8Array): OutgoingMessage | undefined {
    for (const peer of this.#shakingHands) {
      const length = peer.pollHandshake(now, into);
      if (length > 0) return { to: peer.address as Address, length };
      this.#shakingHands.delete(peer);
    }
    return undefined;
  }

  /** Writes one keepalive into `into`, at least 32 bytes. To be polled after data, which makes it needless.
   *  @returns where it goes, or undefined when there is nothing to send */
  pollKeepalive(now: number, into: Uint8Array): OutgoingMessage | undefined {
    for (const peer of this.#keepingAlive) {
      this.#keepingAlive.delete(peer);
      const length = peer.pollKeepalive(now, into);
      if (length > 0) return { to: peer.address as Address, length };
    }
    return undefined;
  }

  pollTimeout(): Deadline | undefined {
    let deadline: Deadline | undefined;
    for (const peer of this.#peers.values()) deadline = earlier(deadline, peer.pollTimeout());
    return deadline;
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #handleTransport(now: number, datagram: Uint8Array, from: Address): Received {
    const entry = this.#indices.get(readUint32(datagram, TransportOffset.receiverIndex));
    const keypair = entry?.keypair;
    if (entry === undefined || keypair === undefined) return dropped('unknown-index');
    const { peer } = entry;
    const refused = peer.handleTransport(now, from, keypair, datagram);
    if (refused !== undefined) return dropped(refused);
    if (datagram.length === MIN_TRANSPORT_BYTES) return { kind: 'keepalive', peer };
    this.#payload.peer = peer;
    this.#payload.keypairId = keypair.id;
    this.#payload.payload = datagram.subarray(TransportOffset.payload, datagram.length - TAG_BYTES);
    return this.#payload;
  }

  #handleInitiation(now: number, datagram: Uint8Array, from: Address): Received {
    const senderIndex = readUint32(datagram, InitiationOffset.senderIndex);
    const refused = this.#guard(now, datagram, senderIndex, from);
    if (refused !== undefined) return refused;
    const { suite, local } = this.#context;
    let claimed: Uint8Array | undefined;
    const initiation = consumeInitiation(suite, local, datagram, (key) => {
      claimed = key;
      return this.#peers.get(bytesKey(key));
    });
    if (initiation === 'unknown-peer') this.#reportUnknownKey(now, datagram, claimed as Uint8Array, from);
    if (typeof initiation === 'string') return dropped(initiation);
    const { peer, state, timestamp } = initiation;
    const failed = peer.handleInitiation(now, from, {
      state,
      senderIndex,
      timestamp,
      length: datagram.length,
    });
    if (failed !== undefined) return dropped(failed);
    return { kind: 'handshake', peer };
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

  #handleResponse(now: number, datagram: Uint8Array, from: Address): Received {
    // Cheaper than a mac: one that nothing waits for is no load and gets no cookie (spec handshake 3.1).
    const peer = this.#indices.get(readUint32(datagram, ResponseOffset.receiverIndex))?.peer;
    if (peer === undefined) return dropped('unknown-index');
    const refused = this.#guard(now, datagram, readUint32(datagram, ResponseOffset.senderIndex), from);
    if (refused !== undefined) return refused;
    const failed = peer.handleResponse(now, from, datagram);
    if (failed !== undefined) return dropped(failed);
    return { kind: 'handshake', peer };
  }

  #handleCookieReply(now: number, datagram: Uint8Array): Received {
    const peer = this.#indices.get(readUint32(datagram, CookieReplyOffset.receiverIndex))?.peer;
    if (peer === undefined) return dropped('unknown-index');
    const refused = peer.handleCookieReply(now, datagram);
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
