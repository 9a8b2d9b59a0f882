/** Message 1, from both sides (spec handshake 3). mac1 and mac2 are added and checked in mac.ts. */

import { asciiBytes } from '../crypto/bytes.js';
import type { CryptoSuite } from '../crypto/suite.js';
import type { DropReason } from '../failure.js';
import { readUint32, writeUint32 } from '../little-endian.js';
import { IDENTIFIER } from './constants.js';
import { InitiationOffset, MessageType, TYPE_OFFSET } from './messages.js';
import { HandshakeState, type KeyPair } from './noise.js';

const PROLOGUE = asciiBytes(IDENTIFIER);
const NOISE_OFFSET = InitiationOffset.ephemeral;
const NOISE_BYTES = InitiationOffset.mac1 - InitiationOffset.ephemeral;

export interface InitiationInput {
  readonly suite: CryptoSuite;
  readonly local: KeyPair;
  readonly remotePublicKey: Uint8Array;
  /** X25519 of both static keys, when the caller keeps it. */
  readonly staticStatic?: Uint8Array;
  readonly ephemeralPrivate: Uint8Array;
  readonly senderIndex: number;
  /** An encoded TAI64N stamp, 12 bytes. */
  readonly timestamp: Uint8Array;
}

/** Writes message 1 without its macs.
 *  @param into at least 148 bytes
 *  @returns what is needed to read the response, or undefined when a Diffie-Hellman result is all zero */
export function createInitiation(input: InitiationInput, into: Uint8Array): HandshakeState | undefined {
  const { suite, local, staticStatic } = input;
  writeUint32(into, TYPE_OFFSET, MessageType.initiation);
  writeUint32(into, InitiationOffset.senderIndex, input.senderIndex);
  const state = new HandshakeState({ suite, prologue: PROLOGUE, local }, input.remotePublicKey);
  if (state.writeMessage1(input.ephemeralPrivate, input.timestamp, into, NOISE_OFFSET, staticStatic))
    return state;
  state.wipe();
  return undefined;
}

/** What the responder has to know about a peer before it can read message 1 to the end. */
export interface InitiatorIdentity {
  /** X25519 of both static keys; undefined when it is all zero. */
  readonly staticStatic: Uint8Array | undefined;
}

export interface ConsumedInitiation<P extends InitiatorIdentity> {
  readonly peer: P;
  readonly state: HandshakeState;
  readonly senderIndex: number;
  /** The encoded TAI64N stamp; whether it is new is for the caller to check. */
  readonly timestamp: Uint8Array;
}

/** Reads message 1, whose type, length and mac1 were checked.
 *  @param findPeer gives the peer with that static public key
 *  @returns the authenticated initiator, or the reason why there is none */
export function consumeInitiation<P extends InitiatorIdentity>(
  suite: CryptoSuite,
  local: KeyPair,
  message: Uint8Array,
  findPeer: (publicKey: Uint8Array) => P | undefined,
): ConsumedInitiation<P> | DropReason {
  const state = new HandshakeState({ suite, prologue: PROLOGUE, local });
  const result = readInitiation(state, message, findPeer);
  if (typeof result === 'string') state.wipe();
  return result;
}

function readInitiation<P extends InitiatorIdentity>(
  state: HandshakeState,
  message: Uint8Array,
  findPeer: (publicKey: Uint8Array) => P | undefined,
): ConsumedInitiation<P> | DropReason {
  const publicKey = state.readMessage1Static(message, NOISE_OFFSET);
  if (publicKey === undefined) return 'handshake-failed';
  const peer = findPeer(publicKey);
  if (peer === undefined) return 'unknown-peer';
  if (peer.staticStatic === undefined) return 'handshake-failed';
  const timestamp = state.readMessage1Payload(message, NOISE_OFFSET, NOISE_BYTES, peer.staticStatic);
  if (timestamp === undefined) return 'handshake-failed';
  return { peer, state, senderIndex: readUint32(message, InitiationOffset.senderIndex), timestamp };
}
