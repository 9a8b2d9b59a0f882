/** mac1 and mac2, the last 32 bytes of messages 1 and 2 (spec handshake 4).
 *
 *  mac1 shows that the sender knows the receiver's public key, and costs the receiver one MAC to check. mac2 shows that
 *  the sender can receive at the address it sends from; only a receiver under load asks for it. `message` is always a
 *  whole message 1 or 2. */

import { asciiBytes, isAllZero } from '../crypto/bytes.js';
import type { CryptoSuite } from '../crypto/suite.js';
import { LABEL_COOKIE, LABEL_MAC1 } from './constants.js';
import { MAC_BYTES } from './messages.js';

/** Computes the key of mac1 in messages to the owner of `publicKey`: 32 bytes. */
export function mac1Key(suite: CryptoSuite, publicKey: Uint8Array): Uint8Array {
  return suite.hash(asciiBytes(LABEL_MAC1), publicKey);
}

/** Computes the key under which the owner of `publicKey` seals cookie replies: 32 bytes (spec handshake 5.3). */
export function cookieKey(suite: CryptoSuite, publicKey: Uint8Array): Uint8Array {
  return suite.hash(asciiBytes(LABEL_COOKIE), publicKey);
}

/** The 16 bytes of mac1, as a view. */
export function mac1Of(message: Uint8Array): Uint8Array {
  return message.subarray(message.length - 2 * MAC_BYTES, message.length - MAC_BYTES);
}

/** The 16 bytes of mac2, as a view. */
export function mac2Of(message: Uint8Array): Uint8Array {
  return message.subarray(message.length - MAC_BYTES);
}

/** Writes mac1, and then mac2: a MAC if there is a cookie, and zeros if there is none (spec handshake 4).
 *  @param key the result of `mac1Key` for the receiver */
export function writeMacs(
  suite: CryptoSuite,
  key: Uint8Array,
  cookie: Uint8Array | undefined,
  message: Uint8Array,
): void {
  mac1Of(message).set(suite.mac(key, beforeMac1(message)));
  if (cookie === undefined) mac2Of(message).fill(0);
  else mac2Of(message).set(suite.mac(cookie, beforeMac2(message)));
}

/** Whether mac2 is more than the zeros that a sender without a cookie writes (spec handshake 4.2). */
export function hasMac2(message: Uint8Array): boolean {
  return !isAllZero(mac2Of(message));
}

/** @param key the result of `mac1Key` for our own public key */
export function hasValidMac1(suite: CryptoSuite, key: Uint8Array, message: Uint8Array): boolean {
  return suite.equal(mac1Of(message), suite.mac(key, beforeMac1(message)));
}

/** @param cookie the one of the sender's address */
export function hasValidMac2(suite: CryptoSuite, cookie: Uint8Array, message: Uint8Array): boolean {
  return suite.equal(mac2Of(message), suite.mac(cookie, beforeMac2(message)));
}

/** The bytes that mac1 covers. */
function beforeMac1(message: Uint8Array): Uint8Array {
  return message.subarray(0, message.length - 2 * MAC_BYTES);
}

/** The bytes that mac2 covers, which include mac1. */
function beforeMac2(message: Uint8Array): Uint8Array {
  return message.subarray(0, message.length - MAC_BYTES);
}
