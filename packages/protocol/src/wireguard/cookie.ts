/** Cookies: how a receiver under load makes a sender prove that it can receive at its address (spec handshake 5). */

import type { Address } from '../address.js';
import { copyBytes } from '../copy-bytes.js';
import { asciiBytes, drawSecret, wipe } from '../crypto/bytes.js';
import { RandomPool } from '../crypto/random-pool.js';
import { type CryptoSuite, KEY_BYTES, XNONCE_BYTES } from '../crypto/suite.js';
import type { DropReason } from '../failure.js';
import { writeUint32 } from '../little-endian.js';
import { COOKIE_REFRESH_MS } from './constants.js';
import { CookieReplyBudget } from './cookie-reply-budget.js';
import { cookieKey, hasValidMac2, mac1Of } from './mac.js';
import {
  COOKIE_REPLY_BYTES,
  CookieReplyOffset,
  MessageType,
  parseCookieReply,
  TYPE_OFFSET,
} from './messages.js';

/** The side under load, which asks for cookies.
 *
 *  A cookie is a MAC of the sender's address under a secret, so the checker can compute it again whenever it needs it.
 *  It stores nothing about any sender. It owns the secret, which it replaces every 120 s, and the budget of replies.
 *  WireGuard has one checker and asks it about each handshake message that arrives under load.
 *
 *  A flood passes through here at tens of thousands of messages a second, so a cookie is computed only where it is
 *  needed: `cookie` computes it, and the other methods take it as an argument. */
export class CookieChecker {
  readonly #suite: CryptoSuite;
  readonly #random: (length: number) => Uint8Array;
  readonly #nonces: RandomPool;
  readonly #budget: CookieReplyBudget;
  readonly #key: Uint8Array;
  #secret: Uint8Array | undefined;
  #secretAt = 0;

  constructor(suite: CryptoSuite, random: (length: number) => Uint8Array, localPublicKey: Uint8Array) {
    this.#suite = suite;
    this.#random = random;
    this.#nonces = new RandomPool(random);
    this.#budget = new CookieReplyBudget(() => this.#nonces.uint16());
    this.#key = cookieKey(suite, localPublicKey);
  }

  /** Computes the cookie of an address: MAC(secret, address and port) (spec handshake 5.2). Nobody else ever computes
   *  it, so the address can be text. */
  cookie(now: number, from: Address): Uint8Array {
    if (this.#secret === undefined || now - this.#secretAt >= COOKIE_REFRESH_MS) {
      wipe(this.#secret);
      this.#secret = drawSecret(this.#random, KEY_BYTES);
      this.#secretAt = now;
    }
    return this.#suite.mac(this.#secret, asciiBytes(`${from.address} ${from.port}`));
  }

  /** Whether the message proves that its sender received the cookie (spec handshake 4.2).
   *  @param cookie the one of the sender's address */
  hasValidMac2(message: Uint8Array, cookie: Uint8Array): boolean {
    return hasValidMac2(this.#suite, cookie, message);
  }

  /** Counts a message that wants a cookie reply, and decides whether it gets one (spec handshake 5.3). */
  mayReply(now: number): boolean {
    return this.#budget.take(now);
  }

  /** Makes the cookie reply to a message.
   *  @param message a message 1 or 2 with a valid mac1
   *  @param senderIndex the message's sender index, to which the reply is addressed
   *  @param cookie the one of the sender's address
   *  @returns a message 3 */
  createReply(message: Uint8Array, senderIndex: number, cookie: Uint8Array): Uint8Array {
    const reply = new Uint8Array(COOKIE_REPLY_BYTES);
    writeUint32(reply, TYPE_OFFSET, MessageType.cookieReply);
    writeUint32(reply, CookieReplyOffset.receiverIndex, senderIndex);
    const nonce = this.#nonces.take(XNONCE_BYTES);
    reply.set(nonce, CookieReplyOffset.nonce);
    const sealed = this.#suite.xaeadSeal(this.#key, nonce, cookie, mac1Of(message));
    reply.set(sealed, CookieReplyOffset.encryptedCookie);
    return reply;
  }

  /** Wipes the secret and the key of the replies. */
  wipe(): void {
    wipe(this.#secret, this.#key);
    this.#secret = undefined;
  }
}

/** The side that is asked for a cookie.
 *
 *  There is one jar per peer. It holds the newest cookie that the peer gave us, for up to 120 s, and the mac1 of the
 *  last message 1 or 2 that we sent to it, because only a reply to that message opens. PeerSecrets owns the jar: it
 *  notes each message here, and puts the cookie into the next one. A cookie reply never causes a message. */
export class CookieJar {
  readonly #suite: CryptoSuite;
  readonly #key: Uint8Array;
  #mac1: Uint8Array | undefined;
  #cookie: Uint8Array | undefined;
  #cookieAt = 0;

  constructor(suite: CryptoSuite, remotePublicKey: Uint8Array) {
    this.#suite = suite;
    this.#key = cookieKey(suite, remotePublicKey);
  }

  /** The cookie for the mac2 of a message that is sent now; undefined if there is none younger than 120 s. */
  cookie(now: number): Uint8Array | undefined {
    if (this.#cookie !== undefined && now - this.#cookieAt >= COOKIE_REFRESH_MS) this.#forgetCookie();
    return this.#cookie;
  }

  /** Notes that a message 1 or 2 is being sent, so that a reply to it can be opened.
   *  @param message complete, with its macs */
  noteSent(message: Uint8Array): void {
    this.#mac1 = copyBytes(mac1Of(message));
  }

  /** Opens a cookie reply and stores its cookie. One reply is accepted per message sent (spec handshake 5.4).
   *  @returns why the reply is dropped, or undefined if the cookie was stored */
  handleReply(now: number, datagram: Uint8Array): DropReason | undefined {
    const reply = parseCookieReply(datagram);
    if (typeof reply === 'string') return reply;
    if (this.#mac1 === undefined) return 'unexpected-handshake';
    const cookie = this.#suite.xaeadOpen(this.#key, reply.nonce, reply.encryptedCookie, this.#mac1);
    if (cookie === undefined) return 'authentication-failed';
    this.#forgetCookie();
    this.#mac1 = undefined;
    this.#cookie = cookie;
    this.#cookieAt = now;
    return undefined;
  }

  /** Wipes the cookie and the key of the replies. No reply is accepted after it, and no cookie returned. */
  wipe(): void {
    this.#forgetCookie();
    wipe(this.#key);
    this.#mac1 = undefined;
  }

  #forgetCookie(): void {
    wipe(this.#cookie);
    this.#cookie = undefined;
  }
}
