/** mac1 and mac2, the last 32 bytes of messages 1 and 2 (spec handshake 4).
 *
 *  mac1 shows that the sender knows whom it talks to, at the price of one hash; mac2 that it can receive at the address
 *  it sends from, and only a receiver under load asks for it. */

import { asciiBytes, isAllZero } from '../crypto/bytes.js';
import type { CryptoSuite } from '../crypto/suite.js';
import { LABEL_COOKIE, LABEL_MAC1 } from './constants.js';
import { MAC_BYTES } from './messages.js';

/** The key of mac1 in messages that go to the owner of `publicKey`. */
export function mac1Key(suite: CryptoSuite, publicKey: Uint8Array): Uint8Array {
  return suite.hash(asciiBytes(LABEL_MAC1), publicKey);
}

/** The key of cookie replies that the owner of `publicKey` makes. */
export function cookieKey(suite: CryptoSuite, publicKey: Uint8Array): Uint8Array {
  return suite.hash(asciiBytes(LABEL_COOKIE), publicKey);
}

/** The 16 bytes of mac1, as a view. `message` is a whole message 1 or 2. */
export function mac1Of(message: Uint8Array): Uint8Array {
  return message.subarray(message.length - 2 * MAC_BYTES, message.length - MAC_BYTES);
}

export function mac2Of(message: Uint8Array): Uint8Array {
  return message.subarray(message.length - MAC_BYTES);
}

/** Writes mac1, then mac2 if there is a cookie and zeros if not (spec handshake 4.2). */
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

/** Whether there is one at all: a sender without a cookie leaves zeros (spec handshake 4.2). */
export function hasMac2(message: Uint8Array): boolean {
  return !isAllZero(mac2Of(message));
}

export function hasValidMac1(suite: CryptoSuite, key: Uint8Array, message: Uint8Array): boolean {
  return suite.equal(mac1Of(message), suite.mac(key, beforeMac1(message)));
}

export function hasValidMac2(suite: CryptoSuite, cookie: Uint8Array, message: Uint8Array): boolean {
  return suite.equal(mac2Of(message), suite.mac(cookie, beforeMac2(message)));
}

function beforeMac1(message: Uint8Array): Uint8Array {
  return message.subarray(0, message.length - 2 * MAC_BYTES);
}

/** mac2 covers mac1 too. */
function beforeMac2(message: Uint8Array): Uint8Array {
  return message.subarray(0, message.length - MAC_BYTES);
}
