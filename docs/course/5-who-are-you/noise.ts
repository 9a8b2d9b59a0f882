/** Step 5: a handshake in two messages, Noise_IK_25519_ChaChaPoly_BLAKE2s (noiseprotocol.org, revision 34). Afterwards both sides
 *  know with whom they speak, and have keys that no recording gives away, even to somebody who later steals their static keys. */
import { randomBytes } from 'node:crypto';
import {
  concat,
  dh,
  initialState,
  mixHash,
  mixKey,
  openInto,
  publicKeyOf,
  type State,
  sealInto,
  split,
  TAG_BYTES,
} from './symmetric-state.ts';

const PROTOCOL_NAME = 'Noise_IK_25519_ChaChaPoly_BLAKE2s';
const KEY_BYTES = 32;

export interface Options {
  /** Bytes that both sides must agree on, such as the name and version of what follows. */
  readonly prologue: Uint8Array;
  /** This side's long-term secret key. */
  readonly staticKey: Uint8Array;
  /** A fresh secret key, for this handshake alone. Only tests set it. */
  readonly ephemeralKey?: Uint8Array;
}

export interface Keys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
  /** Names this session: the same on both sides, and never again. */
  readonly handshakeHash: Uint8Array;
}

/** The side that begins. It must know the responder's public key. */
export function startInitiator(options: Options & { readonly remoteStatic: Uint8Array }) {
  const { staticKey, remoteStatic, ephemeralKey = randomBytes(KEY_BYTES) } = options;
  let state = initialState(PROTOCOL_NAME, options.prologue, remoteStatic);
  return {
    /** e, es, s, ss. The payload is safe from everybody except the responder, to whom an attacker may repeat it. */
    writeMessage1(payload: Uint8Array): Uint8Array {
      const e = publicKeyOf(ephemeralKey);
      state = mixKey(mixHash(state, e), dh(ephemeralKey, remoteStatic)); // es: only the responder can read what follows
      const s = sealInto(state, publicKeyOf(staticKey)); // so that an observer doesn't learn who we are
      state = mixKey(s.state, dh(staticKey, remoteStatic)); // ss: only we can have sent what follows
      const rest = sealInto(state, payload);
      state = rest.state;
      return concat(e, s.bytes, rest.bytes);
    },
    /** e, ee, se. A forged message changes nothing, so the genuine one may still come.
     *  @returns undefined if it is not the responder's answer to our message */
    readMessage2(message: Uint8Array): { payload: Uint8Array; keys: Keys } | undefined {
      if (message.length < KEY_BYTES + TAG_BYTES) return undefined;
      const e = message.subarray(0, KEY_BYTES);
      const afterEe = mixKey(mixHash(state, e), dh(ephemeralKey, e)); // ee: both forget these keys. This is forward secrecy
      const afterSe = mixKey(afterEe, dh(staticKey, e)); // se: only the owner of our static key can read what follows
      const opened = openInto(afterSe, message.subarray(KEY_BYTES));
      if (opened === undefined) return undefined;
      const [send, receive] = split(opened.state);
      return { payload: opened.bytes, keys: { send, receive, handshakeHash: opened.state.hash } };
    },
  };
}

/** The side that answers. It learns from the first message who is asking. */
export function startResponder(options: Options) {
  const { staticKey, ephemeralKey = randomBytes(KEY_BYTES) } = options;
  let heard: { state: State; e: Uint8Array; s: Uint8Array } | undefined;
  return {
    /** @returns undefined if the message was not made for us by the owner of a static key */
    readMessage1(message: Uint8Array): { payload: Uint8Array; remoteStatic: Uint8Array } | undefined {
      const staticEnd = 2 * KEY_BYTES + TAG_BYTES;
      if (message.length < staticEnd + TAG_BYTES) return undefined;
      const e = message.slice(0, KEY_BYTES);
      const first = initialState(PROTOCOL_NAME, options.prologue, publicKeyOf(staticKey));
      const afterEs = mixKey(mixHash(first, e), dh(staticKey, e));
      const s = openInto(afterEs, message.subarray(KEY_BYTES, staticEnd));
      if (s === undefined) return undefined;
      const rest = openInto(mixKey(s.state, dh(staticKey, s.bytes)), message.subarray(staticEnd));
      if (rest === undefined) return undefined;
      heard = { state: rest.state, e, s: s.bytes };
      return { payload: rest.bytes, remoteStatic: s.bytes };
    },
    writeMessage2(payload: Uint8Array): { message: Uint8Array; keys: Keys } {
      if (heard === undefined) throw new Error('there is no first message to answer');
      const e = publicKeyOf(ephemeralKey);
      const afterEe = mixKey(mixHash(heard.state, e), dh(ephemeralKey, heard.e));
      const sealed = sealInto(mixKey(afterEe, dh(ephemeralKey, heard.s)), payload);
      const [receive, send] = split(sealed.state);
      return { message: concat(e, sealed.bytes), keys: { send, receive, handshakeHash: sealed.state.hash } };
    },
  };
}
