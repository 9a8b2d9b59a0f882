/** The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, with the names of the Noise specification (revision 34, §5).
 *
 *      <- s
 *      ...
 *      -> e, es, s, ss, payload
 *      <- e, ee, se, psk, payload
 *
 *  WireGuard uses this pattern with the prologue IDENTIFIER, a timestamp as the first payload and an empty second
 *  payload (spec handshake 2). */

import { assert } from '../assert.js';
import { copyBytes } from '../copy-bytes.js';
import { asciiBytes, copySecret, wipe } from '../crypto/bytes.js';
import { kdf2, kdf3 } from '../crypto/kdf.js';
import { type CryptoSuite, KEY_BYTES, TAG_BYTES } from '../crypto/suite.js';
import { CONSTRUCTION } from './constants.js';

/** A Curve25519 key pair, 32 bytes each. */
export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** The length of message 1 beyond the plaintext of its payload: e, sealed s, tag. */
export const MESSAGE_1_OVERHEAD = KEY_BYTES + KEY_BYTES + TAG_BYTES + TAG_BYTES;
/** The length of message 2 beyond the plaintext of its payload: e, tag. */
export const MESSAGE_2_OVERHEAD = KEY_BYTES + TAG_BYTES;

const NOTHING = new Uint8Array(0);
const STATIC_OFFSET = KEY_BYTES;
const PAYLOAD_1_OFFSET = STATIC_OFFSET + KEY_BYTES + TAG_BYTES;
const PAYLOAD_2_OFFSET = KEY_BYTES;

/** Noise's SymmetricState (§5.2), which turns everything that is exchanged into keys.
 *
 *  It holds the chaining key, the hash of everything sent so far, and the key that seals the next field. The methods
 *  are those of the Noise specification. HandshakeState calls them in the order of the pattern; the order is what the
 *  two sides must agree on, and nothing here checks it. Keys that are replaced are wiped. */
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

  /** Replaces chaining key and key by ones derived from the chaining key and `input`. The nonce restarts at 0. */
  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = kdf2(this.#suite, this.chainingKey, input);
    this.#replaceKeys(chainingKey, key);
  }

  /** Adds `data` to the hash. */
  mixHash(data: Uint8Array): void {
    this.hash = this.#suite.hash(this.hash, data);
  }

  /** Like `mixKey`, and adds a value derived from `input` to the hash too. This is how a preshared key is mixed in. */
  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, temporaryHash, key] = kdf3(this.#suite, this.chainingKey, input);
    this.#replaceKeys(chainingKey, key);
    this.mixHash(temporaryHash);
    wipe(temporaryHash);
  }

  /** Seals `plaintext`, writes ciphertext and tag at `offset`, and adds them to the hash. */
  encryptAndHash(plaintext: Uint8Array, into: Uint8Array, offset: number): void {
    into.set(plaintext, offset);
    const aead = this.#suite.aead(this.#key);
    aead.seal(0, this.#nonce++, into, offset, plaintext.length, this.hash);
    aead.destroy();
    this.mixHash(into.subarray(offset, offset + plaintext.length + TAG_BYTES));
  }

  /** Opens the `length` bytes at `offset`, of which the last 16 are the tag, and adds them to the hash. `from` is not
   *  changed.
   *  @returns the plaintext, or undefined if the tag does not match; the hash is then unchanged */
  decryptAndHash(from: Uint8Array, offset: number, length: number): Uint8Array | undefined {
    const sealed = copyBytes(from.subarray(offset, offset + length));
    const aead = this.#suite.aead(this.#key);
    const opened = aead.open(0, this.#nonce++, sealed, 0, length, this.hash);
    aead.destroy();
    if (!opened) return undefined;
    this.mixHash(from.subarray(offset, offset + length));
    return sealed.subarray(0, length - TAG_BYTES);
  }

  /** Derives the transport keys.
   *  @returns the initiator's sending key and the responder's sending key */
  split(): [Uint8Array, Uint8Array] {
    return kdf2(this.#suite, this.chainingKey, NOTHING);
  }

  /** Returns an independent copy. Both have to be wiped. */
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

/** What a handshake needs, on either side. */
export interface HandshakeOptions {
  readonly suite: CryptoSuite;
  readonly prologue: Uint8Array;
  /** Our own static key. It is neither copied nor wiped. */
  readonly local: KeyPair;
}

/** Noise's HandshakeState (§5.3) for the pattern IKpsk2. One object is one side of one handshake.
 *
 *  It owns the ephemeral key and the symmetric state. The initiator calls `writeMessage1`, `readMessage2` and `split`,
 *  in this order. The responder calls `readMessage1Static`, `readMessage1Payload`, `writeMessage2` and `split`. `split`
 *  wipes the state, and a caller that does not get that far must call `wipe`.
 *
 *  A method that fails, because a tag does not match or a Diffie-Hellman result is all zero, returns `undefined` or
 *  false. The object is then of no more use. `readMessage2` is the exception: it can be called again. */
export class HandshakeState {
  readonly isInitiator: boolean;
  symmetric: SymmetricState;
  readonly #suite: CryptoSuite;
  readonly #local: KeyPair;
  #remoteStatic: Uint8Array = NOTHING;
  #remoteEphemeral: Uint8Array = NOTHING;
  #ephemeralPrivate: Uint8Array = NOTHING;

  /** @param remoteStatic the responder's static key, on the initiator's side; absent on the responder's side */
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
   *  @param into receives `payload.length + MESSAGE_1_OVERHEAD` bytes at `offset`
   *  @param staticStatic the result of ss, if the caller has it already
   *  @returns false if a Diffie-Hellman result is all zero */
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

  /** -> e, es, s: reads as much of message 1 as it takes to learn who claims to have sent it.
   *  @returns the initiator's static public key, which has not authenticated yet */
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

  /** -> ss, payload: reads the rest of message 1.
   *  @param length of the whole message 1
   *  @param staticStatic the result of ss, if the caller has it already
   *  @returns the payload; the initiator has authenticated now */
  readMessage1Payload(
    message: Uint8Array,
    offset: number,
    length: number,
    staticStatic?: Uint8Array,
  ): Uint8Array | undefined {
    if (!this.#mixStaticStatic(staticStatic)) return undefined;
    return this.symmetric.decryptAndHash(message, offset + PAYLOAD_1_OFFSET, length - PAYLOAD_1_OFFSET);
  }

  /** <- e, ee, se, psk, payload
   *  @param ephemeralPrivate 32 random bytes; copied
   *  @param presharedKey 32 bytes, all zero if there is none
   *  @param into receives `payload.length + MESSAGE_2_OVERHEAD` bytes at `offset`
   *  @returns false if a Diffie-Hellman result is all zero */
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

  /** <- e, ee, se, psk, payload. It works on a copy of the state, because a forged message 2 must not spoil the
   *  handshake for the genuine one.
   *  @param presharedKey 32 bytes, all zero if there is none
   *  @param length of the whole message 2
   *  @returns the payload; the responder has authenticated now */
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

  /** Ends the handshake: returns the transport keys, which the caller must wipe, and wipes everything else. */
  split(): { readonly send: Uint8Array; readonly receive: Uint8Array } {
    const [initiatorKey, responderKey] = this.symmetric.split();
    this.wipe();
    return this.isInitiator
      ? { send: initiatorKey, receive: responderKey }
      : { send: responderKey, receive: initiatorKey };
  }

  /** Wipes the secrets of the handshake. The object is of no more use. */
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
