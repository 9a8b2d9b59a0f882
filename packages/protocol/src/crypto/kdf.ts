/** WireGuard's KDF1, KDF2 and KDF3: HKDF (RFC 5869) over HMAC-BLAKE2s with empty info (spec handshake 1.4). Each
 *  derives one, two or three outputs of 32 bytes from `key` and `input`, and wipes the intermediate secret. The outputs
 *  are the caller's to wipe. */
import { wipe } from './bytes.js';
import type { CryptoSuite } from './suite.js';

const ONE = Uint8Array.of(1);

export function kdf1(suite: CryptoSuite, key: Uint8Array, input: Uint8Array): Uint8Array {
  const secret = suite.hmac(key, input);
  const first = suite.hmac(secret, ONE);
  wipe(secret);
  return first;
}

export function kdf2(suite: CryptoSuite, key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array] {
  const secret = suite.hmac(key, input);
  const first = suite.hmac(secret, ONE);
  const second = expand(suite, secret, first, 2);
  wipe(secret);
  return [first, second];
}

export function kdf3(
  suite: CryptoSuite,
  key: Uint8Array,
  input: Uint8Array,
): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = suite.hmac(key, input);
  const first = suite.hmac(secret, ONE);
  const second = expand(suite, secret, first, 2);
  const third = expand(suite, secret, second, 3);
  wipe(secret);
  return [first, second, third];
}

/** The next output: HMAC of the previous output and the number of this one. */
function expand(suite: CryptoSuite, secret: Uint8Array, previous: Uint8Array, number: number): Uint8Array {
  const block = new Uint8Array(previous.length + 1);
  block.set(previous);
  block[previous.length] = number;
  const output = suite.hmac(secret, block);
  wipe(block);
  return output;
}
