/** The primitives WireGuard needs, behind one interface, so that one protocol runs on portable and on
 *  native code (wireguard whitepaper §5.4; RFC 7748, 7693, 8439; draft-irtf-cfrg-xchacha-03). */

export const KEY_BYTES = 32;
export const TAG_BYTES = 16;
export const XNONCE_BYTES = 24;

export interface CryptoSuite {
  /** What `underpass status` shows, for example `portable` or `native (node:crypto + sodium)`. */
  readonly name: string;

  /** X25519 (RFC 7748 §5).
   *  @param privateKey 32 bytes, clamped or not
   *  @returns the 32-byte shared secret, or `undefined` when it is all zero and so must be refused (§6.1) */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;

  /** The public half of a private key. */
  x25519PublicKey(privateKey: Uint8Array): Uint8Array;

  /** BLAKE2s, 32-byte output, of the concatenation of `parts`. */
  hash(...parts: Uint8Array[]): Uint8Array;

  /** Keyed BLAKE2s with 16-byte output: WireGuard's MAC(key, input). Key of 16 or 32 bytes. */
  mac(key: Uint8Array, input: Uint8Array): Uint8Array;

  /** HMAC over BLAKE2s-256. */
  hmac(key: Uint8Array, input: Uint8Array): Uint8Array;

  /** ChaCha20-Poly1305 (RFC 8439) bound to one key. The suite keeps its own copy of the key until `destroy`. */
  aead(key: Uint8Array): Aead;

  /** XChaCha20-Poly1305.
   *  @returns ciphertext || 16-byte tag */
  xaeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, additional: Uint8Array): Uint8Array;

  /** @returns the plaintext, or `undefined` when the tag does not match */
  xaeadOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    additional: Uint8Array,
  ): Uint8Array | undefined;

  /** Compares without a data-dependent branch; false at once when the lengths differ. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}

/** The nonce is 4 zero bytes, then the 64-bit counter little-endian, given as two unsigned 32-bit halves
 *  because a JavaScript number holds 53 bits. */
export interface Aead {
  /** Seals `buffer[offset, offset + length)` in place and writes the 16-byte tag right behind it. */
  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void;

  /** Opens `buffer[offset, offset + length)`, tag included, in place: the plaintext is the first `length - 16` bytes.
   *  @returns false when the tag does not match; the buffer's contents are then of no use to anyone */
  open(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): boolean;

  /** Wipes the key. Any later call is our own bug. */
  destroy(): void;
}
