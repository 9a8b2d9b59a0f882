/** The cryptographic primitives of WireGuard behind one interface, so that the same protocol runs on portable and on
 *  native code (WireGuard paper §5.4; RFC 7748, 7693, 8439; draft-irtf-cfrg-xchacha-03). */

export const KEY_BYTES = 32;
export { TAG_BYTES } from '../datagram-layout.js';
export const XNONCE_BYTES = 24;

/** One implementation of the primitives. All keys and shared secrets are 32 bytes long. No method changes its
 *  arguments. */
export interface CryptoSuite {
  /** The name that `underpass status` shows, for example `portable` or `openssl`. */
  readonly name: string;

  /** X25519 (RFC 7748 §5).
   *  @param privateKey 32 bytes, clamped or not
   *  @returns the 32-byte shared secret, or `undefined` if it is all zero and so must be refused (§6.1) */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;

  /** Computes the public key of a private key. */
  x25519PublicKey(privateKey: Uint8Array): Uint8Array;

  /** BLAKE2s of the concatenation of `parts`, with 32 bytes of output. */
  hash(...parts: Uint8Array[]): Uint8Array;

  /** WireGuard's MAC: keyed BLAKE2s with 16 bytes of output.
   *  @param key 16 bytes (a cookie) or 32 (a derived key, or a random secret) */
  mac(key: Uint8Array, input: Uint8Array): Uint8Array;

  /** HMAC over BLAKE2s, with 32 bytes of output. */
  hmac(key: Uint8Array, input: Uint8Array): Uint8Array;

  /** ChaCha20-Poly1305 (RFC 8439) bound to one key. The result keeps its own copy of the key until `destroy`. */
  aead(key: Uint8Array): Aead;

  /** Seals with XChaCha20-Poly1305.
   *  @param nonce 24 bytes
   *  @returns the ciphertext, and the 16-byte tag behind it */
  xaeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, additional: Uint8Array): Uint8Array;

  /** Opens what `xaeadSeal` returned.
   *  @returns the plaintext, or `undefined` if the tag does not match */
  xaeadOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    additional: Uint8Array,
  ): Uint8Array | undefined;

  /** Compares two arrays in constant time: the time it takes reveals nothing but their lengths. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}

/** ChaCha20-Poly1305 under one key, with WireGuard's nonces: 4 zero bytes and then the 64-bit counter, little-endian
 *  (spec wire 1.2). The counter is given as two unsigned 32-bit halves, because a JavaScript number holds only 53 bits.
 *  The caller must never seal twice with the same counter. */
export interface Aead {
  /** Seals the `length` bytes of `buffer` at `offset` in place, and writes the 16-byte tag behind them. */
  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void;

  /** Opens the `length` bytes of `buffer` at `offset`, of which the last 16 are the tag. The plaintext then takes the
   *  place of the first `length - 16`.
   *  @returns false if the tag does not match; what the buffer then holds is unspecified and must not be used */
  open(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): boolean;

  /** Wipes the key. No method may be called after it. */
  destroy(): void;
}
