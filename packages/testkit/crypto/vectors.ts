/** The files of packages/testkit/vectors, whose README says where each comes from. All strings are hex. */
import { readFileSync } from 'node:fs';

/** @param name  for example `rfc.json` */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}

export interface SharedSecretVector {
  readonly private: string;
  readonly public: string;
  /** null if it is all zero, so that it must be refused. */
  readonly shared: string | null;
}

export interface AeadVector {
  /** 8 bytes for WireGuard's counter, 12 for the same after 4 zero bytes, 24 for XChaCha20. */
  readonly nonce: string;
  readonly key: string;
  readonly additional: string;
  /** May be empty if the vector is invalid. */
  readonly plaintext: string;
  /** Ciphertext and tag. */
  readonly sealed: string;
  /** False if the tag does not match. */
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

/** A whole handshake from a capture, with all values that both sides compute. */
export interface CapturedHandshake {
  readonly name: string;
  readonly initiator_static_private: string;
  readonly initiator_static_public: string;
  readonly responder_static_private: string;
  readonly responder_static_public: string;
  readonly initiator_ephemeral_private: string;
  readonly initiator_ephemeral_public: string;
  readonly responder_ephemeral_private: string;
  readonly responder_ephemeral_public: string;
  readonly preshared_key: string;
  readonly initiator_index: number;
  readonly responder_index: number;
  readonly timestamp_tai64n: string;
  readonly 'timestamp_seconds_after_2^62': number;
  readonly timestamp_nanoseconds: number;
  readonly message1: string;
  readonly message2: string;
  readonly mac1_key_for_message1: string;
  readonly mac1_key_for_message2: string;
  readonly key_static: string;
  readonly key_timestamp: string;
  readonly tau: string;
  readonly key_empty: string;
  readonly steps: readonly { readonly after: string; readonly chaining_key: string; readonly hash: string }[];
  readonly transport_key_initiator_to_responder: string;
  readonly transport_key_responder_to_initiator: string;
  readonly transport: readonly {
    readonly direction: 'initiator->responder' | 'responder->initiator';
    readonly counter: number;
    readonly plaintext: string;
    readonly packet: string;
  }[];
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

/** Public keys that give zero with every private key: the points of low order in all their encodings. */
export const lowOrderPublicKeys: readonly string[] = [
  ...new Set(sharedSecrets.filter(({ shared }) => shared === null).map((vector) => vector.public)),
];

export const counterAeads: readonly AeadVector[] = [
  ...readVectors<Vectors<AeadVector>>('wycheproof-chacha20-poly1305.json').vectors,
  ...zinc.chacha20poly1305,
];

export const capturedHandshakes = readVectors<{ readonly handshakes: readonly CapturedHandshake[] }>(
  'wireguard-handshakes.json',
).handshakes;

const TRANSPORT_HEADER_HEX = 2 * 16;
/** The transport packets of the captures without their headers. */
export const transportAeads: readonly AeadVector[] = capturedHandshakes.flatMap((handshake) =>
  handshake.transport.map(({ direction, plaintext, packet }) => ({
    key: handshake[
      `transport_key_${direction === 'initiator->responder' ? 'initiator_to_responder' : 'responder_to_initiator'}`
    ],
    nonce: packet.slice(TRANSPORT_HEADER_HEX - 16, TRANSPORT_HEADER_HEX),
    additional: '',
    plaintext,
    sealed: packet.slice(TRANSPORT_HEADER_HEX),
    valid: true,
  })),
);

const XNONCE_HEX = 2 * 24;
const wycheproofXaeads = readVectors<Vectors<AeadVector>>('wycheproof-xchacha20-poly1305.json').vectors;
export const xaeads: readonly AeadVector[] = [
  ...wycheproofXaeads.filter(({ nonce }) => nonce.length === XNONCE_HEX),
  ...zinc.xchacha20poly1305,
  rfc.xchacha20poly1305,
];
/** Vectors whose nonces are not 24 bytes long. */
export const xaeadsOfWrongNonce: readonly AeadVector[] = wycheproofXaeads.filter(
  ({ nonce }) => nonce.length !== XNONCE_HEX,
);

/** Digest i is the digest of the i bytes 00 01 02 and so on. */
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
