/** Reads WireGuard's handshake messages by the letter of the specification, with the private keys of both sides.
 *
 *  Both ends of a simulation run the same program, so an error that both make goes unnoticed by them. This reader shares
 *  nothing with the program but the primitives of the crypto suite. */
import { type CryptoSuite, readUint32 } from '@underpass/protocol';

// spec handshake 1.2
const CONSTRUCTION = 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s';
const IDENTIFIER = 'WireGuard v1 zx2c4 Jason@zx2c4.com';
const LABEL_MAC1 = 'mac1----';
const LABEL_COOKIE = 'cookie--';

// spec handshake 3.3
const STEP_NANOSECONDS = 2 ** 24;
const TAI_OFFSET_SECONDS = 10;

/** The state of a handshake after its first message. */
export interface ReadInitiation {
  readonly senderIndex: number;
  readonly chainingKey: Uint8Array;
  readonly hash: Uint8Array;
  readonly ephemeral: Uint8Array;
  readonly initiator: Uint8Array;
  readonly timestamp: Uint8Array;
}

/** The two transport keys of a handshake. The first is the initiator's sending key (spec handshake 2.3). */
export type TransportKeys = readonly [Uint8Array, Uint8Array];

/** A text that is the same for a handshake message and its copies, whose macs may differ. */
export function identityOf(message: Uint8Array): string {
  return String.fromCharCode(...message.subarray(0, message.length > 100 ? 116 : 60));
}

/** @param responder  the keys of the side that the message is for
 *  @returns what is wrong with the message, or its content (spec handshake 2, wire 2.2) */
export function readInitiation(
  suite: CryptoSuite,
  message: Uint8Array,
  responder: { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array },
): ReadInitiation | string {
  const prologue = suite.hash(suite.hash(ascii(CONSTRUCTION)), ascii(IDENTIFIER));
  let hash = suite.hash(prologue, responder.publicKey);
  const ephemeral = message.slice(8, 40);
  hash = suite.hash(hash, ephemeral);
  const [mixed] = kdf(suite, suite.hash(ascii(CONSTRUCTION)), ephemeral, 1);
  const [afterEs, staticKey] = kdf(suite, mixed, shared(suite, responder.privateKey, ephemeral), 2);
  const initiator = open(suite, staticKey, message.subarray(40, 88), hash);
  if (initiator === undefined) return 'its static key does not open';
  hash = suite.hash(hash, message.subarray(40, 88));
  const [chainingKey, key] = kdf(suite, afterEs, shared(suite, responder.privateKey, initiator), 2);
  const timestamp = open(suite, key, message.subarray(88, 116), hash);
  if (timestamp === undefined) return 'its timestamp does not open';
  hash = suite.hash(hash, message.subarray(88, 116));
  return { senderIndex: readUint32(message, 4), chainingKey, hash, ephemeral, initiator, timestamp };
}

/** @param keys  the private keys of the initiator and the preshared key, zeros if there is none
 *  @returns what is wrong with the message, or the keys that follow from it (spec handshake 2, wire 2.3) */
export function readResponse(
  suite: CryptoSuite,
  message: Uint8Array,
  { senderIndex, chainingKey, hash }: ReadInitiation,
  keys: {
    readonly ephemeralPrivate: Uint8Array;
    readonly privateKey: Uint8Array;
    readonly presharedKey: Uint8Array;
  },
): TransportKeys | string {
  if (readUint32(message, 8) !== senderIndex) return 'it is addressed to another index';
  const ephemeral = message.slice(12, 44);
  const afterE = suite.hash(hash, ephemeral);
  const [mixed] = kdf(suite, chainingKey, ephemeral, 1);
  const [afterEe] = kdf(suite, mixed, shared(suite, keys.ephemeralPrivate, ephemeral), 1);
  const [afterSe] = kdf(suite, afterEe, shared(suite, keys.privateKey, ephemeral), 1);
  const [last, temporary, key] = kdf(suite, afterSe, keys.presharedKey, 3);
  const nothing = open(suite, key, message.subarray(44, 60), suite.hash(afterE, temporary));
  if (nothing?.length !== 0) return 'its empty payload does not open';
  const [first, second] = kdf(suite, last, new Uint8Array(0), 2);
  return [first, second];
}

/** What is wrong with the two macs of a message 1 or 2, if anything (spec handshake 4).
 *  @param cookie  the one that the sender must use, if it has one */
export function macProblem(
  suite: CryptoSuite,
  message: Uint8Array,
  receiver: Uint8Array,
  cookie: Uint8Array | undefined,
): string | undefined {
  const mac1 = suite.mac(suite.hash(ascii(LABEL_MAC1), receiver), message.subarray(0, -32));
  if (!isSame(mac1, mac1Of(message))) return 'its mac1 is wrong';
  const mac2 = cookie === undefined ? new Uint8Array(16) : suite.mac(cookie, message.subarray(0, -16));
  if (isSame(mac2, message.subarray(-16))) return undefined;
  return cookie === undefined ? 'it has a mac2 without a cookie' : 'its mac2 is not that of the cookie';
}

export function mac1Of(message: Uint8Array): Uint8Array {
  return message.subarray(-32, -16);
}

/** @param sender  the public key of the side that asks for the cookie
 *  @param mac1  that of the message which the reply answers
 *  @returns the cookie, or undefined if the reply does not open (spec handshake 5.3, wire 2.4) */
export function readCookie(
  suite: CryptoSuite,
  reply: Uint8Array,
  sender: Uint8Array,
  mac1: Uint8Array,
): Uint8Array | undefined {
  return suite.xaeadOpen(
    suite.hash(ascii(LABEL_COOKIE), sender),
    reply.slice(8, 32),
    reply.slice(32, 64),
    mac1,
  );
}

/** The timestamp that an initiation must have (spec handshake 3.3): its clock's, or a step more than the last one. */
export function timestampAfter(last: Uint8Array | undefined, unixTimeMs: number): Uint8Array {
  const seconds = BigInt(Math.floor(unixTimeMs / 1000));
  const nanoseconds = Math.floor(((unixTimeMs % 1000) * 1_000_000) / STEP_NANOSECONDS) * STEP_NANOSECONDS;
  const clock = encode(seconds + 2n ** 62n + BigInt(TAI_OFFSET_SECONDS), nanoseconds);
  if (last === undefined || compare(clock, last) > 0) return clock;
  const view = new DataView(last.buffer, last.byteOffset);
  const next = view.getUint32(8) + STEP_NANOSECONDS;
  const label = view.getBigUint64(0);
  return next < 1_000_000_000 ? encode(label, next) : encode(label + 1n, 0);
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compare(a, b) === 0;
}

function encode(label: bigint, nanoseconds: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, label);
  view.setUint32(8, nanoseconds);
  return bytes;
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? 0 : (a[at] as number) - (b[at] as number);
}

/** spec handshake 1.4 */
function kdf(suite: CryptoSuite, key: Uint8Array, input: Uint8Array, count: 1): [Uint8Array];
function kdf(suite: CryptoSuite, key: Uint8Array, input: Uint8Array, count: 2): [Uint8Array, Uint8Array];
function kdf(
  suite: CryptoSuite,
  key: Uint8Array,
  input: Uint8Array,
  count: 3,
): [Uint8Array, Uint8Array, Uint8Array];
function kdf(suite: CryptoSuite, key: Uint8Array, input: Uint8Array, count: number): Uint8Array[] {
  const secret = suite.hmac(key, input);
  const outputs: Uint8Array[] = [];
  for (let n = 1; n <= count; n++) {
    outputs.push(suite.hmac(secret, Uint8Array.from([...(outputs.at(-1) ?? []), n])));
  }
  return outputs;
}

function shared(suite: CryptoSuite, privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return suite.x25519(privateKey, publicKey) ?? new Uint8Array(32);
}

/** Handshakes use each key once, with the counter 0. */
function open(
  suite: CryptoSuite,
  key: Uint8Array,
  sealed: Uint8Array,
  additional: Uint8Array,
): Uint8Array | undefined {
  const opened = sealed.slice();
  const aead = suite.aead(key);
  const isGenuine = aead.open(0, 0, opened, 0, opened.length, additional);
  aead.destroy();
  return isGenuine ? opened.subarray(0, -16) : undefined;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
