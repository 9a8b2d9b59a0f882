/** Step 5: what a Noise handshake computes as it goes along, and the cryptography that it is made of. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { blake2s } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';
import nacl from 'tweetnacl';

export const TAG_BYTES = 16;
const NOTHING = new Uint8Array(0);

/** The state of a handshake, the same on both sides: `hash` covers every byte that was sent, `chainingKey` every shared secret. */
export interface State {
  readonly hash: Uint8Array;
  readonly chainingKey: Uint8Array;
  readonly key: Uint8Array;
}

/** @param name  longer than a hash has bytes, so it is hashed: Noise pads shorter ones instead */
export function initialState(name: string, prologue: Uint8Array, responderStatic: Uint8Array): State {
  const hash = blake2s(new TextEncoder().encode(name));
  return mixHash(mixHash({ hash, chainingKey: hash, key: NOTHING }, prologue), responderStatic);
}

export function mixHash(state: State, bytes: Uint8Array): State {
  return { ...state, hash: blake2s(concat(state.hash, bytes)) };
}

export function mixKey(state: State, secret: Uint8Array): State {
  const [chainingKey, key] = hkdf(state.chainingKey, secret);
  return { ...state, chainingKey, key };
}

export interface Sealed {
  readonly state: State;
  readonly bytes: Uint8Array;
}

/** Each key of this handshake seals one thing, so its nonce is always 0. All that was said before is associated data: if any
 *  earlier byte was changed on the way, opening fails here. */
export function sealInto(state: State, plaintext: Uint8Array): Sealed {
  const bytes = seal(state.key, 0n, plaintext, state.hash);
  return { state: mixHash(state, bytes), bytes };
}

export function openInto(state: State, sealed: Uint8Array): Sealed | undefined {
  const bytes = open(state.key, 0n, sealed, state.hash);
  return bytes && { state: mixHash(state, sealed), bytes };
}

/** @returns the keys for what the initiator sends and for what the responder sends */
export function split(state: State): [Uint8Array, Uint8Array] {
  const [first, second] = hkdf(state.chainingKey, NOTHING);
  return [first, second];
}

export function seal(
  key: Uint8Array,
  counter: bigint,
  plaintext: Uint8Array,
  associatedData: Uint8Array = NOTHING,
): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce(counter), { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData, { plaintextLength: plaintext.length });
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** @returns undefined if this is not what `seal` made with the same key, counter and associated data */
export function open(
  key: Uint8Array,
  counter: bigint,
  sealed: Uint8Array,
  associatedData: Uint8Array = NOTHING,
): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES;
  if (length < 0) return undefined;
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce(counter), { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  try {
    return concat(decipher.update(sealed.subarray(0, length)), decipher.final());
  } catch {
    return undefined;
  }
}

/** Four zero bytes, then the counter, little-endian. */
function nonce(counter: bigint): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, counter, true);
  return bytes;
}

/** Noise's HKDF: as many independent keys as are needed from one secret. */
export function hkdf(chainingKey: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = hmac(blake2s, chainingKey, input);
  const first = hmac(blake2s, secret, Uint8Array.of(1));
  const second = hmac(blake2s, secret, concat(first, Uint8Array.of(2)));
  return [first, second, hmac(blake2s, secret, concat(second, Uint8Array.of(3)))];
}

export function dh(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return nacl.scalarMult(secretKey, publicKey);
}

export function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  return nacl.scalarMult.base(secretKey);
}

export function concat(...pieces: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(pieces));
}
