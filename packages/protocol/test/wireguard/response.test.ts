import { fromHex, lowOrderPublicKeys, toHex } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import {
  type ConsumedInitiation,
  consumeInitiation,
  type InitiatorIdentity,
} from '../../src/wireguard/initiation.js';
import { mac1Key, writeMacs } from '../../src/wireguard/mac.js';
import { RESPONSE_BYTES, ResponseOffset } from '../../src/wireguard/messages.js';
import type { HandshakeState } from '../../src/wireguard/noise.js';
import { consumeResponse, createResponse, type TransportKeys } from '../../src/wireguard/response.js';
import { CAPTURED, type Captured, FIRST, flipBit, initiate, SUITE } from './captured.js';

function readMessage1({ initiator, responder, message1 }: Captured): HandshakeState {
  const staticStatic = SUITE.x25519(responder.privateKey, initiator.publicKey);
  const result = consumeInitiation(SUITE, responder, message1, () => ({ staticStatic }));
  return (result as ConsumedInitiation<InitiatorIdentity>).state;
}

function hexKeys(keys: TransportKeys | undefined) {
  return keys && { send: toHex(keys.send), receive: toHex(keys.receive) };
}

describe('message 2', () => {
  it.each(CAPTURED)(
    'is written byte for byte as it was captured, and gives the captured keys: $name',
    (captured) => {
      const { hex } = captured;
      const message = new Uint8Array(RESPONSE_BYTES);
      const keys = createResponse(
        {
          state: readMessage1(captured),
          presharedKey: captured.presharedKey,
          ephemeralPrivate: fromHex(hex.responder_ephemeral_private),
          senderIndex: hex.responder_index,
          receiverIndex: hex.initiator_index,
        },
        message,
      );
      writeMacs(SUITE, mac1Key(SUITE, captured.initiator.publicKey), undefined, message);
      expect(toHex(message)).toBe(hex.message2);
      expect(hexKeys(keys)).toEqual({
        send: hex.transport_key_responder_to_initiator,
        receive: hex.transport_key_initiator_to_responder,
      });
    },
  );

  it.each(CAPTURED)('is read as it was captured, and gives the captured keys: $name', (captured) => {
    const { state } = initiate(captured);
    const payload = state.readMessage2(
      captured.presharedKey,
      captured.message2,
      ResponseOffset.ephemeral,
      ResponseOffset.mac1 - ResponseOffset.ephemeral,
    );
    expect(payload).toHaveLength(0);
    const end = captured.hex.steps.at(-1);
    expect(toHex(state.symmetric.chainingKey)).toBe(end?.chaining_key);
    expect(toHex(state.symmetric.hash)).toBe(end?.hash);

    const keys = consumeResponse(initiate(captured).state, captured.presharedKey, captured.message2);
    expect(hexKeys(keys)).toEqual({
      send: captured.hex.transport_key_initiator_to_responder,
      receive: captured.hex.transport_key_responder_to_initiator,
    });
    expect(toHex(captured.message2)).toBe(captured.hex.message2);
  });

  it('leaves the handshake waiting if it does not authenticate (spec handshake 3.5)', () => {
    const { state } = initiate(FIRST);
    for (let bit = 8 * ResponseOffset.ephemeral; bit < 8 * ResponseOffset.mac1; bit++) {
      expect(consumeResponse(state, FIRST.presharedKey, flipBit(FIRST.message2, bit))).toBeUndefined();
    }
    for (const point of lowOrderPublicKeys) {
      const message = new Uint8Array(FIRST.message2);
      message.set(fromHex(point), ResponseOffset.ephemeral);
      expect(consumeResponse(state, FIRST.presharedKey, message)).toBeUndefined();
    }
    expect(consumeResponse(state, new Uint8Array(32).fill(1), FIRST.message2)).toBeUndefined();
    expect(consumeResponse(state, FIRST.presharedKey, FIRST.message2)).toBeDefined();
  });

  it('completes only the handshake whose initiation it answers', () => {
    const [first, second] = CAPTURED as [Captured, Captured];
    const { state } = initiate(first);
    expect(consumeResponse(state, second.presharedKey, second.message2)).toBeUndefined();
  });
});
