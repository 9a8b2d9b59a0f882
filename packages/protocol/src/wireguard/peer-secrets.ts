/** What we know of one peer that no handshake changes, and the macs that follow from it. */

import { assert } from '../assert.js';
import { copyBytes } from '../copy-bytes.js';
import { copySecret, wipe } from '../crypto/bytes.js';
import { type CryptoSuite, KEY_BYTES } from '../crypto/suite.js';
import { CookieJar } from './cookie.js';
import { keyLogLines } from './key-log.js';
import { mac1Key, writeMacs } from './mac.js';
import type { KeyPair } from './noise.js';

const NO_PRESHARED_KEY = new Uint8Array(KEY_BYTES);

/** What the secrets of all peers need of their owner. */
export interface SecretsContext {
  readonly suite: CryptoSuite;
  readonly local: KeyPair;
  readonly keyLog: ((line: string) => void) | undefined;
}

/** Keys that are computed from the two static ones come with their first use: a relay with thousands of peers starts at once, and a
 *  peer that never comes costs little more than its public key. */
export class PeerSecrets {
  readonly publicKey: Uint8Array;
  /** All zero: there is none. */
  readonly presharedKey: Uint8Array;
  readonly #context: SecretsContext;
  #derived: { readonly mac1Key: Uint8Array; readonly cookieJar: CookieJar } | undefined;
  /** Null before its first use. */
  #staticStatic: Uint8Array | undefined | null = null;
  #isWiped = false;

  constructor(context: SecretsContext, publicKey: Uint8Array, presharedKey: Uint8Array | undefined) {
    assert(publicKey.length === KEY_BYTES, 'a public key has 32 bytes');
    assert(presharedKey === undefined || presharedKey.length === KEY_BYTES, 'a preshared key has 32 bytes');
    this.#context = context;
    this.publicKey = copyBytes(publicKey);
    this.presharedKey = presharedKey === undefined ? NO_PRESHARED_KEY : copySecret(presharedKey);
  }

  /** X25519 of both static keys; undefined when it is all zero, and then no handshake is possible. */
  get staticStatic(): Uint8Array | undefined {
    if (this.#staticStatic === null) {
      assert(!this.#isWiped, 'a wiped peer shakes no hands');
      const { suite, local } = this.#context;
      const secret = suite.x25519(local.privateKey, this.publicKey);
      this.#staticStatic = secret && copySecret(secret);
      wipe(secret);
    }
    return this.#staticStatic;
  }

  get cookieJar(): CookieJar {
    return this.#derive().cookieJar;
  }

  /** Whether the preshared key is this one, or, when asked for none, absent. */
  hasPresharedKey(presharedKey: Uint8Array | undefined): boolean {
    return this.#context.suite.equal(this.presharedKey, presharedKey ?? NO_PRESHARED_KEY);
  }

  /** Completes a message 1 or 2 to the peer. */
  writeMacs(now: number, message: Uint8Array): void {
    const { mac1Key, cookieJar } = this.#derive();
    writeMacs(this.#context.suite, mac1Key, cookieJar.cookie(now), message);
    cookieJar.noteSent(message);
  }

  /** spec session 9 */
  logHandshake(ephemeralPrivate: Uint8Array): void {
    const { keyLog, local } = this.#context;
    if (keyLog === undefined) return;
    for (const line of keyLogLines(local.privateKey, this, ephemeralPrivate)) keyLog(line);
  }

  wipe(): void {
    this.#isWiped = true;
    if (this.presharedKey !== NO_PRESHARED_KEY) wipe(this.presharedKey);
    if (this.#staticStatic !== null) wipe(this.#staticStatic);
    this.#derived?.cookieJar.wipe();
  }

  #derive(): { readonly mac1Key: Uint8Array; readonly cookieJar: CookieJar } {
    const { suite } = this.#context;
    this.#derived ??= {
      mac1Key: mac1Key(suite, this.publicKey),
      cookieJar: new CookieJar(suite, this.publicKey),
    };
    return this.#derived;
  }
}
