/** The captured handshakes as bytes, and functions that make the same messages with our code. */
import { createPortableSuite } from '@underpass/protocol';
import { type CapturedHandshake, capturedHandshakes, fromHex } from '@underpass/testkit/crypto';
import { createInitiation } from '../../src/wireguard/initiation.js';
import { mac1Key, writeMacs } from '../../src/wireguard/mac.js';
import { INITIATION_BYTES } from '../../src/wireguard/messages.js';
import type { HandshakeState, KeyPair } from '../../src/wireguard/noise.js';

export const SUITE = createPortableSuite();

export interface Captured {
  readonly name: string;
  readonly hex: CapturedHandshake;
  readonly initiator: KeyPair;
  readonly responder: KeyPair;
  readonly message1: Uint8Array;
  readonly message2: Uint8Array;
  readonly presharedKey: Uint8Array;
}

export const CAPTURED: readonly Captured[] = capturedHandshakes.map((hex) => ({
  name: hex.name,
  hex,
  initiator: {
    privateKey: fromHex(hex.initiator_static_private),
    publicKey: fromHex(hex.initiator_static_public),
  },
  responder: {
    privateKey: fromHex(hex.responder_static_private),
    publicKey: fromHex(hex.responder_static_public),
  },
  message1: fromHex(hex.message1),
  message2: fromHex(hex.message2),
  presharedKey: fromHex(hex.preshared_key),
}));

export const [FIRST] = CAPTURED as [Captured];

/** Makes the message 1 of a captured handshake, with its macs. */
export function initiate(captured: Captured): { message: Uint8Array; state: HandshakeState } {
  const { hex, initiator, responder } = captured;
  const message = new Uint8Array(INITIATION_BYTES);
  const state = createInitiation(
    {
      suite: SUITE,
      local: initiator,
      remotePublicKey: responder.publicKey,
      ephemeralPrivate: fromHex(hex.initiator_ephemeral_private),
      senderIndex: hex.initiator_index,
      timestamp: fromHex(hex.timestamp_tai64n),
    },
    message,
  ) as HandshakeState;
  writeMacs(SUITE, mac1Key(SUITE, responder.publicKey), undefined, message);
  return { message, state };
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
  return flipped;
}
