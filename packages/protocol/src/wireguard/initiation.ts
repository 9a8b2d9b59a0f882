/** How message 1 is written and read (spec handshake 3). mac.ts adds and checks its macs. */

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
  /** The initiator's static key. */
  readonly local: KeyPair;
  /** The responder's static key, 32 bytes. */
  readonly remotePublicKey: Uint8Array;
  /** X25519 of the two static keys, if the caller has it already. */
  readonly staticStatic?: Uint8Array;
  /** 32 random bytes, used for this handshake alone. Copied. */
  readonly ephemeralPrivate: Uint8Array;
  readonly senderIndex: number;
  /** An encoded TAI64N timestamp, 12 bytes. */
  readonly timestamp: Uint8Array;
}

/** Writes a message 1 without its macs.
 *  @param into at least 148 bytes
 *  @returns the handshake, which then waits for its response, or undefined if a Diffie-Hellman result is all zero
 *    (spec handshake 1.3) */
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

/** What the responder needs to know about the initiator before it can read message 1 to the end. */
export interface InitiatorIdentity {
  /** X25519 of the two static keys, or undefined if it is all zero. */
  readonly staticStatic: Uint8Array | undefined;
}

/** A message 1 that authenticated. */
export interface ConsumedInitiation<P extends InitiatorIdentity> {
  readonly peer: P;
  /** The handshake, ready for the response. The caller owns it and must wipe it if it does not respond. */
  readonly state: HandshakeState;
  readonly senderIndex: number;
  /** An encoded TAI64N timestamp, 12 bytes. The caller has to check that it is new (spec handshake 3.3). */
  readonly timestamp: Uint8Array;
}

/** Reads a message 1 whose type, length and mac1 were checked.
 *  @param findPeer returns the peer with a given static public key. It is called before the initiator has
 *  authenticated.
 *  @returns the authenticated initiator, or why the message is dropped */
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
