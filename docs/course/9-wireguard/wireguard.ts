/** Step 9: WireGuard's initiator, on top of step 5. It speaks with wireguard-go, with the Linux kernel, and with an Underpass
 *  relay. (wireguard.com/papers/wireguard.pdf, section 5.4) */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { blake2s } from '@noble/hashes/blake2.js';
import {
  concat,
  dh,
  hkdf,
  initialState,
  mixHash,
  mixKey,
  open,
  openInto,
  publicKeyOf,
  type State,
  seal,
  sealInto,
  split,
  TAG_BYTES,
} from '../5-who-are-you/symmetric-state.ts';

const CONSTRUCTION = 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s';
const IDENTIFIER = Buffer.from('WireGuard v1 zx2c4 Jason@zx2c4.com');
const LABEL_MAC1 = Buffer.from('mac1----');
const TYPE = { initiation: 1, response: 2, transport: 4 } as const;
const RESPONSE_BYTES = 92;
const TRANSPORT_HEADER_BYTES = 16;
const NO_PRESHARED_KEY = new Uint8Array(32);

export interface InitiatorOptions {
  readonly staticKey: Uint8Array;
  readonly remoteStatic: Uint8Array;
  readonly presharedKey?: Uint8Array;
  /** Fresh for each handshake. Only tests set it. */
  readonly ephemeralKey?: Uint8Array;
  /** Names this handshake's session in what the peer sends: so it needs no address to be found by. */
  readonly index?: number;
}

/** One handshake, from the side that begins it. */
export class WireGuardInitiator {
  readonly #options: Required<InitiatorOptions>;
  #state: State;

  constructor(options: InitiatorOptions) {
    const index = randomBytes(4).readUInt32LE();
    this.#options = { presharedKey: NO_PRESHARED_KEY, ephemeralKey: randomBytes(32), index, ...options };
    this.#state = initialState(CONSTRUCTION, IDENTIFIER, options.remoteStatic);
  }

  /** The first message, 148 bytes.
   *  @param timestamp  TAI64N, 12 bytes. The responder accepts only later ones than before: a recorded message is worthless */
  createInitiation(timestamp: Uint8Array): Uint8Array {
    const { staticKey, remoteStatic, ephemeralKey, index } = this.#options;
    const e = publicKeyOf(ephemeralKey);
    // With a preshared key, the ephemeral key is mixed into the keys too, and not only into the hash.
    this.#state = mixKey(mixHash(this.#state, e), e);
    const s = sealInto(mixKey(this.#state, dh(ephemeralKey, remoteStatic)), publicKeyOf(staticKey));
    const t = sealInto(mixKey(s.state, dh(staticKey, remoteStatic)), timestamp);
    this.#state = t.state;
    return withMacs(concat(header(TYPE.initiation, index), e, s.bytes, t.bytes), remoteStatic);
  }

  /** @returns undefined if the message doesn't answer our initiation; then the genuine answer may still come */
  consumeResponse(message: Uint8Array): Session | undefined {
    if (message.length !== RESPONSE_BYTES || message[0] !== TYPE.response) return undefined;
    const { staticKey, ephemeralKey, presharedKey, index } = this.#options;
    const view = new DataView(message.buffer, message.byteOffset);
    if (view.getUint32(8, true) !== index) return undefined;
    const wanted = mac1(message.subarray(0, 60), publicKeyOf(staticKey));
    if (!timingSafeEqual(wanted, message.subarray(60, 76))) return undefined;
    const e = message.subarray(12, 44);
    const afterE = mixKey(mixHash(this.#state, e), e);
    const afterSe = mixKey(mixKey(afterE, dh(ephemeralKey, e)), dh(staticKey, e));
    const opened = openInto(mixPresharedKey(afterSe, presharedKey), message.subarray(44, 60));
    if (opened === undefined) return undefined;
    const [send, receive] = split(opened.state);
    return new Session({ send, receive, index, remoteIndex: view.getUint32(4, true) });
  }
}

export interface SessionKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
  readonly index: number;
  readonly remoteIndex: number;
}

/** A pair of keys for transport messages. A real program replaces it after two minutes, and checks for replay as in step 4. */
export class Session {
  #counter = 0n;
  readonly keys: SessionKeys;

  constructor(keys: SessionKeys) {
    this.keys = keys;
  }

  seal(packet: Uint8Array): Uint8Array {
    const head = new Uint8Array(TRANSPORT_HEADER_BYTES);
    const view = new DataView(head.buffer);
    head.set(header(TYPE.transport, this.keys.remoteIndex));
    view.setBigUint64(8, this.#counter, true);
    // Filled up with zeros to a multiple of 16, so that the length tells a little less.
    const padded = new Uint8Array(Math.ceil(packet.length / 16) * 16);
    padded.set(packet);
    return concat(head, seal(this.keys.send, this.#counter++, padded));
  }

  open(datagram: Uint8Array): Uint8Array | undefined {
    if (datagram.length < TRANSPORT_HEADER_BYTES + TAG_BYTES || datagram[0] !== TYPE.transport)
      return undefined;
    const view = new DataView(datagram.buffer, datagram.byteOffset);
    if (view.getUint32(4, true) !== this.keys.index) return undefined;
    return open(this.keys.receive, view.getBigUint64(8, true), datagram.subarray(TRANSPORT_HEADER_BYTES));
  }
}

/** The time as TAI64N: seconds since 1970 plus 2^62 and the ten seconds by which TAI was ahead then, and nanoseconds. */
export function tai64n(nowMs: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, 2n ** 62n + 10n + BigInt(Math.floor(nowMs / 1000)));
  view.setUint32(8, (nowMs % 1000) * 1_000_000);
  return bytes;
}

/** The token psk: a secret that both have had from the start goes into the key and the hash. Whoever one day breaks X25519 with a
 *  quantum computer still lacks it. */
function mixPresharedKey(state: State, presharedKey: Uint8Array): State {
  const [chainingKey, toHash, key] = hkdf(state.chainingKey, presharedKey);
  return { ...mixHash(state, toHash), chainingKey, key };
}

function header(type: number, index: number): Uint8Array {
  const bytes = new Uint8Array(8);
  bytes[0] = type;
  new DataView(bytes.buffer).setUint32(4, index, true);
  return bytes;
}

/** mac1 proves that the sender knows the receiver's public key: without it, a WireGuard peer answers nothing at all, and a
 *  scanner finds a closed port. mac2 stays zero unless the peer is under load and has sent a cookie. */
function withMacs(message: Uint8Array, receiverPublicKey: Uint8Array): Uint8Array {
  return concat(message, mac1(message, receiverPublicKey), new Uint8Array(16));
}

function mac1(message: Uint8Array, receiverPublicKey: Uint8Array): Uint8Array {
  return blake2s(message, { key: blake2s(concat(LABEL_MAC1, receiverPublicKey)), dkLen: 16 });
}
