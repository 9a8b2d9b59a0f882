/** The files of packages/testkit/vectors, whose README says where each comes from. All strings are hex. */
import { readFileSync } from 'node:fs';

/** @param name  for example `rfc.json` */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}

export interface SharedSecretVector {
  readonly private: string;
  readonly public: string;
  /** null: all zero, so it must be refused. */
  readonly shared: string | null;
}

export interface AeadVector {
  /** 8 bytes: WireGuard's counter; 12: the same behind 4 zero bytes; 24: XChaCha20's. */
  readonly nonce: string;
  readonly key: string;
  readonly additional: string;
  /** Of one that is not valid it may be empty: nobody can tell. */
  readonly plaintext: string;
  /** Ciphertext and tag. */
  readonly sealed: string;
  /** false: the tag does not match. */
  readonly valid: boolean;
}

export interface RfcVectors {
  readonly x25519: readonly { readonly scalar: string; readonly u: string; readonly out: string }[];
  readonly x25519Iterated: { readonly after1: string; readonly after1000: string };
  readonly diffieHellman: {
    readonly alicePrivate: string;
    readonly alicePublic: string;
    readonly bobPrivate: string;
    readonly bobPublic: string;
    readonly shared: string;
  };
  readonly hchacha20: { readonly key: string; readonly nonce: string; readonly out: string };
  readonly xchacha20poly1305: AeadVector;
}

export interface Vectors<T> {
  readonly vectors: readonly T[];
}

export const rfc: RfcVectors = readVectors('rfc.json');
const zinc = readVectors<Record<'chacha20poly1305' | 'xchacha20poly1305', readonly AeadVector[]>>(
  'zinc-chacha20-poly1305.json',
);

export const sharedSecrets: readonly SharedSecretVector[] = [
  ...readVectors<Vectors<SharedSecretVector>>('wycheproof-x25519.json').vectors,
  ...readVectors<Vectors<SharedSecretVector>>('zinc-x25519.json').vectors,
];

/** Public keys with which every private key gives zero: the points of low order, in all their encodings. */
export const lowOrderPublicKeys: readonly string[] = [
  ...new Set(sharedSecrets.filter(({ shared }) => shared === null).map((vector) => vector.public)),
];

export const counterAeads: readonly AeadVector[] = [
  ...readVectors<Vectors<AeadVector>>('wycheproof-chacha20-poly1305.json').vectors,
  ...zinc.chacha20poly1305,
];

const XNONCE_HEX = 2 * 24;
const wycheproofXaeads = readVectors<Vectors<AeadVector>>('wycheproof-xchacha20-poly1305.json').vectors;
export const xaeads: readonly AeadVector[] = [
  ...wycheproofXaeads.filter(({ nonce }) => nonce.length === XNONCE_HEX),
  ...zinc.xchacha20poly1305,
  rfc.xchacha20poly1305,
];
/** Their nonces are longer or shorter than 24 bytes. */
export const xaeadsOfWrongNonce: readonly AeadVector[] = wycheproofXaeads.filter(
  ({ nonce }) => nonce.length !== XNONCE_HEX,
);

/** Digest i is that of the i bytes 00 01 02 and so on. */
export const blake2sDigests = readVectors<{ readonly digests: readonly string[] }>(
  'blake2s-kat.json',
).digests;
export const blake2sMacs = readVectors<{ readonly key: string; readonly digests: readonly string[] }>(
  'blake2s-128-keyed.json',
);
export const rfc7693 =
  readVectors<Vectors<{ readonly key: string; readonly input: string; readonly digest: string }>>(
    'rfc7693-blake2s.json',
  ).vectors;

export const kdfs =
  readVectors<
    Vectors<{
      readonly key: string;
      readonly input: string;
      readonly t0: string;
      readonly t1: string;
      readonly t2: string;
    }>
  >('wireguard-kdf.json').vectors;
