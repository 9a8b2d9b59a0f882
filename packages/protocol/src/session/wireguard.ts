/** WireGuard without a socket: which peer a datagram belongs to, whether it is genuine, and what is to be sent
 *  (spec wire, handshake, session). What the payloads mean is for the layer above. */

import type { Address } from '../address.js';
import { assert } from '../assert.js';
import { MAX_PEERS, MAX_QUEUED_COOKIE_REPLIES } from '../constants.js';
import { copyBytes } from '../copy-bytes.js';
import { bytesKey, wipe } from '../crypto/bytes.js';
import { type CryptoSuite, KEY_BYTES, TAG_BYTES } from '../crypto/suite.js';
import { type Deadline, earlier } from '../deadline.js';
import type { DropReason } from '../failure.js';
import { CookieChecker } from '../handshake/cookie.js';
import { consumeInitiation } from '../handshake/initiation.js';
import { LoadMeter } from '../handshake/load-meter.js';
import { hasValidMac1, mac1Key } from '../handshake/mac.js';
import { RateLimiter } from '../handshake/rate-limiter.js';
import { readUint32 } from '../little-endian.js';
import {
  CookieReplyOffset,
  classifyMessage,
  InitiationOffset,
  MessageType,
  MIN_TRANSPORT_BYTES,
  ResponseOffset,
  TransportOffset,
} from '../wire/messages.js';
import type { IndexEntry, SessionContext } from './context.js';
import { IndexTable } from './index-table.js';
import { WireGuardPeer, type WireGuardPeerOptions } from './peer.js';

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
  /** Who watches the path can make one: it is no sign of the peer. */
  | { readonly kind: 'cookie-reply' }
  | { readonly kind: 'dropped'; readonly reason: DropReason };

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
  /** Peers that may have something to say, in the order they said so. */
  readonly #talkers = new Set<WireGuardPeer>();
  readonly #cookieReplies: { readonly to: Address; readonly message: Uint8Array }[] = [];
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
      local: { privateKey: copyBytes(options.privateKey), publicKey: this.publicKey },
      indices: this.#indices,
      nextKeypairId: () => ++this.#keypairs,
      wantTransmit: (peer) => this.#talkers.add(peer),
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
    this.#talkers.delete(peer);
    peer.destroy();
  }

  /** Wipes all keys. Nothing may be called after it. */
  close(): void {
    for (const peer of this.#peers.values()) peer.destroy();
    this.#peers.clear();
    this.#talkers.clear();
    this.#cookieReplies.length = 0;
    this.#cookies.wipe();
    wipe(this.#context.local.privateKey);
  }

  // ---- the world comes in -----------------------------------------------------------------------------------

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

  // ---- effects go out ---------------------------------------------------------------------------------------

  /** Writes one handshake message, cookie reply or keepalive into `into`, at least 148 bytes.
   *  @returns where it goes, valid until the next call, or undefined when there is nothing to send */
  pollTransmit(now: number, into: Uint8Array): OutgoingMessage | undefined {
    const reply = this.#cookieReplies.shift();
    if (reply !== undefined) {
      into.set(reply.message);
      return { to: reply.to, length: reply.message.length };
    }
    for (const peer of this.#talkers) {
      const length = peer.pollTransmit(now, into);
      if (length > 0) return { to: peer.address as Address, length };
      this.#talkers.delete(peer);
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
    if (refused !== undefined) return dropped(refused);
    const { suite, local } = this.#context;
    const initiation = consumeInitiation(suite, local, datagram, (key) => this.#peers.get(bytesKey(key)));
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

  #handleResponse(now: number, datagram: Uint8Array, from: Address): Received {
    const refused = this.#guard(now, datagram, readUint32(datagram, ResponseOffset.senderIndex), from);
    if (refused !== undefined) return dropped(refused);
    const peer = this.#indices.get(readUint32(datagram, ResponseOffset.receiverIndex))?.peer;
    if (peer === undefined) return dropped('unknown-index');
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
   *  @returns why the handshake message is dropped, or undefined */
  #guard(now: number, message: Uint8Array, senderIndex: number, from: Address): DropReason | undefined {
    if (!hasValidMac1(this.#context.suite, this.#mac1Key, message)) return 'wrong-mac1';
    if (!this.#load.count(now)) return undefined;
    if (!this.#cookies.hasValidMac2(now, message, from)) {
      if (this.#cookieReplies.length < MAX_QUEUED_COOKIE_REPLIES) {
        const reply = this.#cookies.createReply(now, message, senderIndex, from);
        this.#cookieReplies.push({ to: from, message: reply });
      }
      return 'cookie-required';
    }
    return this.#limiter.allow(now, from.address) ? undefined : 'rate-limited';
  }
}

function dropped(reason: DropReason): Received {
  return { kind: 'dropped', reason };
}
