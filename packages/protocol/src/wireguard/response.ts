/** Message 2, from both sides (spec handshake 3.5). */
import { writeUint32 } from '../little-endian.js';
import { MessageType, ResponseOffset, TYPE_OFFSET } from './messages.js';
import type { HandshakeState } from './noise.js';

const NOISE_OFFSET = ResponseOffset.ephemeral;
const NOISE_BYTES = ResponseOffset.mac1 - ResponseOffset.ephemeral;
const NOTHING = new Uint8Array(0);

/** The two keys of a session; whoever takes them wipes them. */
export interface TransportKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

export interface ResponseInput {
  readonly state: HandshakeState;
  /** 32 zero bytes when there is none: the psk step is never skipped (spec handshake 2.2). */
  readonly presharedKey: Uint8Array;
  readonly ephemeralPrivate: Uint8Array;
  readonly senderIndex: number;
  readonly receiverIndex: number;
}

/** Writes message 2 without its macs, and ends the handshake.
 *  @param into at least 92 bytes
 *  @returns undefined when a Diffie-Hellman result is all zero */
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

/** Reads message 2, whose type, length, mac1 and receiver index were checked, and ends the handshake.
 *  @returns undefined, with the handshake as it was, when it does not authenticate */
export function consumeResponse(
  state: HandshakeState,
  presharedKey: Uint8Array,
  message: Uint8Array,
): TransportKeys | undefined {
  const payload = state.readMessage2(presharedKey, message, NOISE_OFFSET, NOISE_BYTES);
  return payload === undefined ? undefined : state.split();
}
