/** How message 2 is written and read (spec handshake 3.5). mac.ts adds and checks its macs. */
import { writeUint32 } from '../little-endian.js';
import { MessageType, ResponseOffset, TYPE_OFFSET } from './messages.js';
import type { HandshakeState } from './noise.js';

const NOISE_OFFSET = ResponseOffset.ephemeral;
const NOISE_BYTES = ResponseOffset.mac1 - ResponseOffset.ephemeral;
const NOTHING = new Uint8Array(0);

/** The two keys that a handshake produces, 32 bytes each. The caller that receives them must wipe them. */
export interface TransportKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

export interface ResponseInput {
  /** The handshake after message 1. */
  readonly state: HandshakeState;
  /** 32 bytes, all zero if there is none: the psk step is never skipped (spec handshake 2.2). */
  readonly presharedKey: Uint8Array;
  /** 32 random bytes, used for this handshake alone. Copied. */
  readonly ephemeralPrivate: Uint8Array;
  readonly senderIndex: number;
  /** The sender index of message 1. */
  readonly receiverIndex: number;
}

/** Writes a message 2 without its macs, and ends the handshake: its state is wiped.
 *  @param into at least 92 bytes
 *  @returns undefined if a Diffie-Hellman result is all zero (spec handshake 1.3) */
export function createResponse(input: ResponseInput, into: Uint8Array): TransportKeys | undefined {
  const { state } = input;
  writeUint32(into, TYPE_OFFSET, MessageType.response);
  writeUint32(into, ResponseOffset.senderIndex, input.senderIndex);
  writeUint32(into, ResponseOffset.receiverIndex, input.receiverIndex);
  if (state.writeMessage2(input.ephemeralPrivate, input.presharedKey, NOTHING, into, NOISE_OFFSET))
    return state.split();
  state.wipe();
  return undefined;
}

/** Reads a message 2 whose type, length, mac1 and receiver index were checked, and ends the handshake: its state is
 *  wiped.
 *  @param presharedKey 32 bytes, all zero if there is none
 *  @returns undefined if the message does not authenticate; the handshake then still waits for the genuine one */
export function consumeResponse(
  state: HandshakeState,
  presharedKey: Uint8Array,
  message: Uint8Array,
): TransportKeys | undefined {
  const payload = state.readMessage2(presharedKey, message, NOISE_OFFSET, NOISE_BYTES);
  return payload === undefined ? undefined : state.split();
}
