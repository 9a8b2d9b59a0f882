/** Turns away handshake messages before they cost anything (spec handshake 6). */
import type { Address } from '../address.js';
import type { CryptoSuite } from '../crypto/suite.js';
import { CookieChecker } from './cookie.js';
import { type Dropped, dropped } from './dropped.js';
import { LoadMeter } from './load-meter.js';
import { hasMac2, hasValidMac1, mac1Key } from './mac.js';
import { RateLimiter } from './rate-limiter.js';

/** The guard in front of messages 1 and 2, each of which costs a Diffie-Hellman to process.
 *
 *  A message must show that its sender knows our public key (mac1). While more of them arrive than we are willing to
 *  process, it must also show that its sender receives what we send to its address (mac2, made from a cookie), and then
 *  each address gets its share. The guard stores nothing about a sender that has not shown this. It doesn't know peers
 *  or sessions. WireGuard asks it about each message. */
export class HandshakeGuard {
  readonly #suite: CryptoSuite;
  readonly #mac1Key: Uint8Array;
  readonly #cookies: CookieChecker;
  readonly #load = new LoadMeter();
  readonly #limiter = new RateLimiter();

  /** @param publicKey our own, 32 bytes */
  constructor(suite: CryptoSuite, random: (length: number) => Uint8Array, publicKey: Uint8Array) {
    this.#suite = suite;
    this.#mac1Key = mac1Key(suite, publicKey);
    this.#cookies = new CookieChecker(suite, random, publicKey);
  }

  /** Checks a message 1 or 2.
   *  @param senderIndex the message's own, which a cookie reply is sent to
   *  @returns the drop, perhaps with a cookie reply, or undefined if the message may be processed */
  check(now: number, message: Uint8Array, senderIndex: number, from: Address): Dropped | undefined {
    if (!hasValidMac1(this.#suite, this.#mac1Key, message)) return dropped('wrong-mac1');
    if (!this.#load.count(now)) return undefined;
    const cookies = this.#cookies;
    if (hasMac2(message) && cookies.hasValidMac2(message, cookies.cookie(now, from))) {
      return this.#limiter.allow(now, from.address) ? undefined : dropped('rate-limited');
    }
    if (!cookies.mayReply(now)) return dropped('cookie-required');
    const answer = cookies.createReply(message, senderIndex, cookies.cookie(now, from));
    return { kind: 'dropped', reason: 'cookie-required', answer };
  }

  /** Wipes the secret that cookies are made from. */
  wipe(): void {
    this.#cookies.wipe();
  }
}
