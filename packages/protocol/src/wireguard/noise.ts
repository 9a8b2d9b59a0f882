/** Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, with the names of the Noise specification (revision 34, §5).
 *
 *      <- s
 *      ...
 *      -> e, es, s, ss, payload
 *      <- e, ee, se, psk, payload
 *
 *  WireGuard is this pattern with the prologue IDENTIFIER, a timestamp as the first payload and nothing as the second
 *  (spec handshake 2). */

import { assert } from '../assert.js';
import { copyBytes } from '../copy-bytes.js';
import { asciiBytes, copySecret, wipe } from '../crypto/bytes.js';
import { kdf2, kdf3 } from '../crypto/kdf.js';
import { type CryptoSuite, KEY_BYTES, TAG_BYTES } from '../crypto/suite.js';
import { CONSTRUCTION } from './constants.js';

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Bytes of message 1 without its payload's plaintext: e, sealed s, tag. */
export const MESSAGE_1_OVERHEAD = KEY_BYTES + KEY_BYTES + TAG_BYTES + TAG_BYTES;
/** Bytes of message 2 without its payload's plaintext: e, tag. */
export const MESSAGE_2_OVERHEAD = KEY_BYTES + TAG_BYTES;

const NOTHING = new Uint8Array(0);
const STATIC_OFFSET = KEY_BYTES;
const PAYLOAD_1_OFFSET = STATIC_OFFSET + KEY_BYTES + TAG_BYTES;
const PAYLOAD_2_OFFSET = KEY_BYTES;

/** Noise §5.2: the chaining key, the handshake hash and the key of the moment. */
export class SymmetricState {
  chainingKey: Uint8Array;
  hash: Uint8Array;
  readonly #suite: CryptoSuite;
  #key: Uint8Array = NOTHING;
  #nonce = 0;

  constructor(suite: CryptoSuite, protocolName: string) {
    this.#suite = suite;
    const name = asciiBytes(protocolName);
    this.hash = new Uint8Array(KEY_BYTES);
    if (name.length <= KEY_BYTES) this.hash.set(name);
    else this.hash = suite.hash(name);
    this.chainingKey = copyBytes(this.hash);
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = kdf2(this.#suite, this.chainingKey, input);
    this.#replaceKeys(chainingKey, key);
  }

  mixHash(data: Uint8Array): void {
    this.hash = this.#suite.hash(this.hash, data);
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, temporaryHash, key] = kdf3(this.#suite, this.chainingKey, input);
    this.#replaceKeys(chainingKey, key);
    this.mixHash(temporaryHash);
    wipe(temporaryHash);
  }

  /** Writes ciphertext and tag at `offset`. */
  encryptAndHash(plaintext: Uint8Array, into: Uint8Array, offset: number): void {
    into.set(plaintext, offset);
    const aead = this.#suite.aead(this.#key);
    aead.seal(0, this.#nonce++, into, offset, plaintext.length, this.hash);
    aead.destroy();
    this.mixHash(into.subarray(offset, offset + plaintext.length + TAG_BYTES));
  }

  /** Leaves `from` as it is. @returns the plaintext, or undefined when the tag does not match */
  decryptAndHash(from: Uint8Array, offset: number, length: number): Uint8Array | undefined {
    const sealed = copyBytes(from.subarray(offset, offset + length));
    const aead = this.#suite.aead(this.#key);
    const opened = aead.open(0, this.#nonce++, sealed, 0, length, this.hash);
    aead.destroy();
    if (!opened) return undefined;
    this.mixHash(from.subarray(offset, offset + length));
    return sealed.subarray(0, length - TAG_BYTES);
  }

  /** @returns the initiator's and the responder's sending key */
  split(): [Uint8Array, Uint8Array] {
    return kdf2(this.#suite, this.chainingKey, NOTHING);
  }

  clone(): SymmetricState {
    const copy = new SymmetricState(this.#suite, '');
    copy.hash = copyBytes(this.hash);
    copy.chainingKey = copyBytes(this.chainingKey);
    copy.#key = copyBytes(this.#key);
    copy.#nonce = this.#nonce;
    return copy;
  }

  wipe(): void {
    wipe(this.chainingKey, this.hash, this.#key);
  }

  #replaceKeys(chainingKey: Uint8Array, key: Uint8Array): void {
    wipe(this.chainingKey, this.#key);
    this.chainingKey = chainingKey;
    this.#key = key;
    this.#nonce = 0;
  }
}

export interface HandshakeOptions {
  readonly suite: CryptoSuite;
  readonly prologue: Uint8Array;
  /** Our static key; not copied, not wiped. */
  readonly local: KeyPair;
}

/** Noise §5.3 for IKpsk2. One object is one handshake; the methods are to be called in the order of the pattern.
 *
 *  Whatever fails (a tag, or an all-zero Diffie-Hellman result) gives `undefined` or false; the object is then spent,
 *  except after `readMessage2`, which changes nothing unless it succeeds. */
export class HandshakeState {
  readonly isInitiator: boolean;
  symmetric: SymmetricState;
  readonly #suite: CryptoSuite;
  readonly #local: KeyPair;
  #remoteStatic: Uint8Array = NOTHING;
  #remoteEphemeral: Uint8Array = NOTHING;
  #ephemeralPrivate: Uint8Array = NOTHING;

  /** @param remoteStatic the responder's key: given by the initiator, absent at the responder */
  constructor(options: HandshakeOptions, remoteStatic?: Uint8Array) {
    this.#suite = options.suite;
    this.#local = options.local;
    this.isInitiator = remoteStatic !== undefined;
    if (remoteStatic !== undefined) this.#remoteStatic = copyBytes(remoteStatic);
    this.symmetric = new SymmetricState(options.suite, CONSTRUCTION);
    this.symmetric.mixHash(options.prologue);
    this.symmetric.mixHash(remoteStatic ?? options.local.publicKey);
  }

  /** -> e, es, s, ss, payload
   *  @param ephemeralPrivate 32 random bytes; copied
   *  @param staticStatic the result of ss, when the caller keeps it */
  writeMessage1(
    ephemeralPrivate: Uint8Array,
    payload: Uint8Array,
    into: Uint8Array,
    offset: number,
    staticStatic?: Uint8Array,
  ): boolean {
    assert(this.isInitiator, 'the initiator writes message 1');
    this.#writeEphemeral(ephemeralPrivate, into, offset);
    if (!this.#mixDiffieHellman(this.#ephemeralPrivate, this.#remoteStatic)) return false;
    this.symmetric.encryptAndHash(this.#local.publicKey, into, offset + STATIC_OFFSET);
    if (!this.#mixStaticStatic(staticStatic)) return false;
    this.symmetric.encryptAndHash(payload, into, offset + PAYLOAD_1_OFFSET);
    return true;
  }

  /** -> e, es, s: as far as needed to know who is speaking.
   *  @returns the initiator's static public key, not yet authenticated */
  readMessage1Static(message: Uint8Array, offset: number): Uint8Array | undefined {
    assert(!this.isInitiator, 'the responder reads message 1');
    this.#readEphemeral(this.symmetric, message, offset);
    if (!this.#mixDiffieHellman(this.#local.privateKey, this.#remoteEphemeral)) return undefined;
    const remoteStatic = this.symmetric.decryptAndHash(
      message,
      offset + STATIC_OFFSET,
      KEY_BYTES + TAG_BYTES,
    );
    if (remoteStatic === undefined) return undefined;
    this.#remoteStatic = remoteStatic;
    return remoteStatic;
  }

  /** -> ss, payload: the rest of message 1.
   *  @param length of the whole message 1
   *  @returns the payload; only now is the initiator authenticated */
  readMessage1Payload(
    message: Uint8Array,
    offset: number,
    length: number,
    staticStatic?: Uint8Array,
  ): Uint8Array | undefined {
    if (!this.#mixStaticStatic(staticStatic)) return undefined;
    return this.symmetric.decryptAndHash(message, offset + PAYLOAD_1_OFFSET, length - PAYLOAD_1_OFFSET);
  }

  /** <- e, ee, se, psk, payload */
  writeMessage2(
    ephemeralPrivate: Uint8Array,
    presharedKey: Uint8Array,
    payload: Uint8Array,
    into: Uint8Array,
    offset: number,
  ): boolean {
    assert(!this.isInitiator, 'the responder writes message 2');
    this.#writeEphemeral(ephemeralPrivate, into, offset);
    if (!this.#mixDiffieHellman(this.#ephemeralPrivate, this.#remoteEphemeral)) return false;
    if (!this.#mixDiffieHellman(this.#ephemeralPrivate, this.#remoteStatic)) return false;
    this.symmetric.mixKeyAndHash(presharedKey);
    this.symmetric.encryptAndHash(payload, into, offset + PAYLOAD_2_OFFSET);
    return true;
  }

  /** <- e, ee, se, psk, payload. Works on a copy: a forged message 2 must not spoil the handshake that the genuine one
   *  will complete.
   *  @param length of the whole message 2
   *  @returns the payload */
  readMessage2(
    presharedKey: Uint8Array,
    message: Uint8Array,
    offset: number,
    length: number,
  ): Uint8Array | undefined {
    assert(this.isInitiator, 'the initiator reads message 2');
    const symmetric = this.symmetric.clone();
    const payload = this.#readMessage2Into(symmetric, presharedKey, message, offset, length);
    if (payload === undefined) {
      symmetric.wipe();
      return undefined;
    }
    this.symmetric.wipe();
    this.symmetric = symmetric;
    return payload;
  }

  /** Ends the handshake: gives the transport keys and wipes everything else. */
  split(): { readonly send: Uint8Array; readonly receive: Uint8Array } {
    const [initiatorKey, responderKey] = this.symmetric.split();
    this.wipe();
    return this.isInitiator
      ? { send: initiatorKey, receive: responderKey }
      : { send: responderKey, receive: initiatorKey };
  }

  wipe(): void {
    this.symmetric.wipe();
    wipe(this.#ephemeralPrivate, this.#remoteEphemeral);
  }

  #readMessage2Into(
    symmetric: SymmetricState,
    presharedKey: Uint8Array,
    message: Uint8Array,
    offset: number,
    length: number,
  ): Uint8Array | undefined {
    this.#readEphemeral(symmetric, message, offset);
    if (!this.#mixDiffieHellman(this.#ephemeralPrivate, this.#remoteEphemeral, symmetric)) return undefined;
    if (!this.#mixDiffieHellman(this.#local.privateKey, this.#remoteEphemeral, symmetric)) return undefined;
    symmetric.mixKeyAndHash(presharedKey);
    return symmetric.decryptAndHash(message, offset + PAYLOAD_2_OFFSET, length - PAYLOAD_2_OFFSET);
  }

  #writeEphemeral(ephemeralPrivate: Uint8Array, into: Uint8Array, offset: number): void {
    assert(ephemeralPrivate.length === KEY_BYTES, 'an ephemeral key has 32 bytes');
    this.#ephemeralPrivate = copySecret(ephemeralPrivate);
    const ephemeral = this.#suite.x25519PublicKey(ephemeralPrivate);
    into.set(ephemeral, offset);
    this.symmetric.mixHash(ephemeral);
    this.symmetric.mixKey(ephemeral); // because the pattern has a psk (Noise §9.2)
  }

  #readEphemeral(symmetric: SymmetricState, message: Uint8Array, offset: number): void {
    this.#remoteEphemeral = copyBytes(message.subarray(offset, offset + KEY_BYTES));
    symmetric.mixHash(this.#remoteEphemeral);
    symmetric.mixKey(this.#remoteEphemeral);
  }

  #mixStaticStatic(known: Uint8Array | undefined): boolean {
    if (known === undefined) return this.#mixDiffieHellman(this.#local.privateKey, this.#remoteStatic);
    this.symmetric.mixKey(known);
    return true;
  }

  #mixDiffieHellman(privateKey: Uint8Array, publicKey: Uint8Array, symmetric = this.symmetric): boolean {
    const shared = this.#suite.x25519(privateKey, publicKey);
    // spec handshake 1.3: an all-zero result ends the handshake
    if (shared === undefined) return false;
    symmetric.mixKey(shared);
    wipe(shared);
    return true;
  }
}
