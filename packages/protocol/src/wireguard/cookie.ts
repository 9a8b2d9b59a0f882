/** Cookies: how a receiver under load makes a sender show that it can receive at its address (spec handshake 5). */

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

/** The side under load: makes cookies out of a secret and the sender's address, and keeps nothing for each sender.
 *
 *  A flood goes through here at tens of thousands of messages a second, so a cookie is computed only where it is needed: `cookie`
 *  makes it, and `hasValidMac2` and `createReply` take it. */
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

  /** spec handshake 5.2: MAC(secret, address || port); only we ever compute it, so the address can be its text. */
  cookie(now: number, from: Address): Uint8Array {
    if (this.#secret === undefined || now - this.#secretAt >= COOKIE_REFRESH_MS) {
      wipe(this.#secret);
      this.#secret = drawSecret(this.#random, KEY_BYTES);
      this.#secretAt = now;
    }
    return this.#suite.mac(this.#secret, asciiBytes(`${from.address} ${from.port}`));
  }

  /** @param cookie the one for the sender's address */
  hasValidMac2(message: Uint8Array, cookie: Uint8Array): boolean {
    return hasValidMac2(this.#suite, cookie, message);
  }

  /** Whether one more reply may be made now (spec handshake 5.3). */
  mayReply(now: number): boolean {
    return this.#budget.take(now);
  }

  /** @param message a message 1 or 2 with a right mac1
   *  @param cookie the one for the sender's address
   *  @returns message 3 in answer to it */
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

  wipe(): void {
    wipe(this.#secret, this.#key);
    this.#secret = undefined;
  }
}

/** The side that is asked: remembers the newest cookie of one peer, and the mac1 that a reply must refer to. */
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

  /** The cookie to use for mac2 now, if there is one that is young enough. */
  cookie(now: number): Uint8Array | undefined {
    if (this.#cookie !== undefined && now - this.#cookieAt >= COOKIE_REFRESH_MS) this.#forgetCookie();
    return this.#cookie;
  }

  /** Notes that this message 1 or 2 was sent, its macs included. */
  noteSent(message: Uint8Array): void {
    this.#mac1 = copyBytes(mac1Of(message));
  }

  /** Takes the cookie out of a cookie reply. One reply is taken for each message sent (spec handshake 5.4).
   *  @returns why the reply was dropped, or undefined when the cookie was stored */
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
