/** What we know of one peer that no handshake changes, and the macs that follow from it. */

import { assert } from '../assert.js';
import { copyBytes } from '../copy-bytes.js';
import { copySecret, wipe } from '../crypto/bytes.js';
import { KEY_BYTES } from '../crypto/suite.js';
import type { SessionContext } from './context.js';
import { CookieJar } from './cookie.js';
import { keyLogLines } from './key-log.js';
import { mac1Key, writeMacs } from './mac.js';

const NO_PRESHARED_KEY = new Uint8Array(KEY_BYTES);

export class PeerSecrets {
  readonly publicKey: Uint8Array;
  /** All zero: there is none. */
  readonly presharedKey: Uint8Array;
  /** X25519 of both static keys; undefined when it is all zero, and then no handshake is possible. */
  readonly staticStatic: Uint8Array | undefined;
  readonly cookieJar: CookieJar;
  readonly #context: SessionContext;
  readonly #mac1Key: Uint8Array;

  constructor(context: SessionContext, publicKey: Uint8Array, presharedKey: Uint8Array | undefined) {
    assert(publicKey.length === KEY_BYTES, 'a public key has 32 bytes');
    assert(presharedKey === undefined || presharedKey.length === KEY_BYTES, 'a preshared key has 32 bytes');
    const { suite, local } = context;
    this.#context = context;
    this.publicKey = copyBytes(publicKey);
    this.presharedKey = copySecret(presharedKey ?? NO_PRESHARED_KEY);
    const staticStatic = suite.x25519(local.privateKey, publicKey);
    this.staticStatic = staticStatic && copySecret(staticStatic);
    wipe(staticStatic);
    this.cookieJar = new CookieJar(suite, publicKey);
    this.#mac1Key = mac1Key(suite, publicKey);
  }

  /** Whether the preshared key is this one, or, when asked for none, absent. */
  hasPresharedKey(presharedKey: Uint8Array | undefined): boolean {
    return this.#context.suite.equal(this.presharedKey, presharedKey ?? NO_PRESHARED_KEY);
  }

  /** Completes a message 1 or 2 to the peer. */
  writeMacs(now: number, message: Uint8Array): void {
    writeMacs(this.#context.suite, this.#mac1Key, this.cookieJar.cookie(now), message);
    this.cookieJar.noteSent(message);
  }

  /** spec session 9 */
  logHandshake(ephemeralPrivate: Uint8Array): void {
    const { keyLog, local } = this.#context;
    if (keyLog === undefined) return;
    for (const line of keyLogLines(local.privateKey, this, ephemeralPrivate)) keyLog(line);
  }

  wipe(): void {
    wipe(this.presharedKey, this.staticStatic);
    this.cookieJar.wipe();
  }
}
