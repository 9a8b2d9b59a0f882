import { assert } from '../assert.js';
import { copyBytes } from '../copy-bytes.js';
import { copySecret, wipe } from '../crypto/bytes.js';
import { type CryptoSuite, KEY_BYTES } from '../crypto/suite.js';
import { CookieJar } from './cookie.js';
import { keyLogLines } from './key-log.js';
import { mac1Key, writeMacs } from './mac.js';
import type { KeyPair } from './noise.js';

const NO_PRESHARED_KEY = new Uint8Array(KEY_BYTES);

/** What the secrets of all peers have in common. */
export interface SecretsContext {
  readonly suite: CryptoSuite;
  readonly local: KeyPair;
  readonly keyLog: ((line: string) => void) | undefined;
}

/** Everything about one peer that no handshake changes: its public key, the preshared key, and what follows from
 *  them.
 *
 *  The session owns this object for as long as the peer is configured. The initiator and the responder get keys from
 *  it, and have it write the macs of their messages, since it also keeps the peer's cookie. It never holds ephemeral or
 *  transport keys.
 *
 *  Values that have to be computed from the static keys are computed at first use. So a relay with thousands of peers
 *  starts at once, and a peer that never connects costs little more than its public key. */
export class PeerSecrets {
  readonly publicKey: Uint8Array;
  /** 32 bytes, all zero if there is none. */
  readonly presharedKey: Uint8Array;
  readonly #context: SecretsContext;
  #derived: { readonly mac1Key: Uint8Array; readonly cookieJar: CookieJar } | undefined;
  /** Null before its first use; undefined if the result is all zero. */
  #staticStatic: Uint8Array | undefined | null = null;
  #isWiped = false;

  constructor(context: SecretsContext, publicKey: Uint8Array, presharedKey: Uint8Array | undefined) {
    assert(publicKey.length === KEY_BYTES, 'a public key has 32 bytes');
    assert(presharedKey === undefined || presharedKey.length === KEY_BYTES, 'a preshared key has 32 bytes');
    this.#context = context;
    this.publicKey = copyBytes(publicKey);
    this.presharedKey = presharedKey === undefined ? NO_PRESHARED_KEY : copySecret(presharedKey);
  }

  /** X25519 of the two static keys; undefined if it is all zero, in which case no handshake is possible
   *  (spec handshake 1.3). */
  get staticStatic(): Uint8Array | undefined {
    if (this.#staticStatic === null) {
      assert(!this.#isWiped, 'no handshake is made with a wiped peer');
      const { suite, local } = this.#context;
      const secret = suite.x25519(local.privateKey, this.publicKey);
      this.#staticStatic = secret && copySecret(secret);
      wipe(secret);
    }
    return this.#staticStatic;
  }

  /** The peer's cookies. */
  get cookieJar(): CookieJar {
    return this.#derive().cookieJar;
  }

  /** Whether `presharedKey` is the preshared key. If it is undefined: whether there is no preshared key. */
  hasPresharedKey(presharedKey: Uint8Array | undefined): boolean {
    return this.#context.suite.equal(this.presharedKey, presharedKey ?? NO_PRESHARED_KEY);
  }

  /** Completes a message 1 or 2 to the peer by writing its mac1 and mac2, and notes that it is being sent. */
  writeMacs(now: number, message: Uint8Array): void {
    const { mac1Key, cookieJar } = this.#derive();
    writeMacs(this.#context.suite, mac1Key, cookieJar.cookie(now), message);
    cookieJar.noteSent(message);
  }

  /** Writes the secrets of a handshake to the key log, if there is one (spec session 9). */
  logHandshake(ephemeralPrivate: Uint8Array): void {
    const { keyLog, local } = this.#context;
    if (keyLog === undefined) return;
    for (const line of keyLogLines(local.privateKey, this, ephemeralPrivate)) keyLog(line);
  }

  /** Wipes everything that is secret. No handshake is possible after it. */
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
