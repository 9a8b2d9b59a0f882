import { fromHex, lowOrderPublicKeys, toHex } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import { asciiBytes } from '../../src/crypto/bytes.js';
import { CONSTRUCTION, IDENTIFIER } from '../../src/wireguard/constants.js';
import {
  type ConsumedInitiation,
  consumeInitiation,
  createInitiation,
  type InitiatorIdentity,
} from '../../src/wireguard/initiation.js';
import { INITIATION_BYTES, InitiationOffset } from '../../src/wireguard/messages.js';
import { SymmetricState } from '../../src/wireguard/noise.js';
import { CAPTURED, type Captured, FIRST, flipBit, initiate, SUITE } from './captured.js';

function identity({ initiator, responder }: Captured): InitiatorIdentity {
  return { staticStatic: SUITE.x25519(responder.privateKey, initiator.publicKey) };
}

function consume(captured: Captured, message: Uint8Array) {
  return consumeInitiation(SUITE, captured.responder, message, () => identity(captured));
}

describe('message 1', () => {
  it.each(CAPTURED)('is written byte for byte as it was captured: $name', (captured) => {
    const { message, state } = initiate(captured);
    expect(toHex(message)).toBe(captured.hex.message1);
    const afterMessage1 = captured.hex.steps[3];
    expect(toHex(state.symmetric.chainingKey)).toBe(afterMessage1?.chaining_key);
    expect(toHex(state.symmetric.hash)).toBe(afterMessage1?.hash);
  });

  it.each(CAPTURED)('is read as it was captured: $name', (captured) => {
    const asked: (string | undefined)[] = [];
    const peer = identity(captured);
    const result = consumeInitiation(SUITE, captured.responder, captured.message1, (publicKey) => {
      asked.push(toHex(publicKey));
      return peer;
    }) as ConsumedInitiation<InitiatorIdentity>;
    expect(asked).toEqual([captured.hex.initiator_static_public]);
    expect(result.peer).toBe(peer);
    expect(result.senderIndex).toBe(captured.hex.initiator_index);
    expect(toHex(result.timestamp)).toBe(captured.hex.timestamp_tai64n);
    expect(toHex(result.state.symmetric.chainingKey)).toBe(captured.hex.steps[3]?.chaining_key);
    expect(toHex(captured.message1)).toBe(captured.hex.message1);
  });

  it('is the same whether or not the caller passes the result of the static-static DH', () => {
    const { hex, initiator, responder } = FIRST;
    const message = new Uint8Array(INITIATION_BYTES);
    createInitiation(
      {
        suite: SUITE,
        local: initiator,
        remotePublicKey: responder.publicKey,
        staticStatic: SUITE.x25519(initiator.privateKey, responder.publicKey) as Uint8Array,
        ephemeralPrivate: fromHex(hex.initiator_ephemeral_private),
        senderIndex: hex.initiator_index,
        timestamp: fromHex(hex.timestamp_tai64n),
      },
      message,
    );
    const { mac1 } = InitiationOffset;
    expect(toHex(message.subarray(0, mac1))).toBe(hex.message1.slice(0, 2 * mac1));
  });

  it('is refused with any bit of its keys or timestamp changed (spec handshake 3.2)', () => {
    for (let bit = 8 * InitiationOffset.ephemeral; bit < 8 * InitiationOffset.mac1; bit++) {
      expect([bit, consume(FIRST, flipBit(FIRST.message1, bit))]).toEqual([bit, 'handshake-failed']);
    }
  });

  it('is refused from an unknown key, and from one whose DH with ours is all zero (spec handshake 1.3, 3.2)', () => {
    const { responder, message1 } = FIRST;
    expect(consumeInitiation(SUITE, responder, message1, () => undefined)).toBe('unknown-peer');
    const silent = { staticStatic: undefined };
    expect(consumeInitiation(SUITE, responder, message1, () => silent)).toBe('handshake-failed');
  });

  it('is refused from a key of low order even if it leaves out the result that would be all zero (spec handshake 1.3)', () => {
    for (const hex of lowOrderPublicKeys) {
      const publicKey = fromHex(hex);
      const { responder } = FIRST;
      const ephemeral = new Uint8Array(32).fill(5);
      const symmetric = new SymmetricState(SUITE, CONSTRUCTION);
      const ephemeralPublic = SUITE.x25519PublicKey(ephemeral);
      for (const data of [asciiBytes(IDENTIFIER), responder.publicKey, ephemeralPublic])
        symmetric.mixHash(data);
      symmetric.mixKey(ephemeralPublic);
      symmetric.mixKey(SUITE.x25519(ephemeral, responder.publicKey) as Uint8Array);
      const message = FIRST.message1.slice();
      message.set(ephemeralPublic, InitiationOffset.ephemeral);
      symmetric.encryptAndHash(publicKey, message, InitiationOffset.encryptedStatic);
      symmetric.encryptAndHash(new Uint8Array(12), message, InitiationOffset.encryptedTimestamp);
      const asked: string[] = [];
      const result = consumeInitiation(SUITE, responder, message, (key) => {
        asked.push(toHex(key));
        return { staticStatic: SUITE.x25519(responder.privateKey, key) };
      });
      expect([result, asked]).toEqual(['handshake-failed', [hex]]);
    }
  });

  it('is refused with an ephemeral key of low order even if it leaves out the result that would be all zero (spec handshake 1.3)', () => {
    for (const hex of lowOrderPublicKeys) {
      const { initiator, responder } = FIRST;
      const symmetric = new SymmetricState(SUITE, CONSTRUCTION);
      for (const data of [asciiBytes(IDENTIFIER), responder.publicKey, fromHex(hex)]) symmetric.mixHash(data);
      symmetric.mixKey(fromHex(hex));
      const message = FIRST.message1.slice();
      message.set(fromHex(hex), InitiationOffset.ephemeral);
      symmetric.encryptAndHash(initiator.publicKey, message, InitiationOffset.encryptedStatic);
      let asked = 0;
      const result = consumeInitiation(SUITE, responder, message, () => {
        asked++;
        return undefined;
      });
      expect([hex, result, asked]).toEqual([hex, 'handshake-failed', 0]);
    }
  });

  it('is refused by anybody but its receiver, without looking for the peer', () => {
    let asked = 0;
    const result = consumeInitiation(SUITE, FIRST.initiator, FIRST.message1, () => {
      asked++;
      return undefined;
    });
    expect([result, asked]).toEqual(['handshake-failed', 0]);
  });

  it('is not written to a key of low order (spec handshake 1.3)', () => {
    for (const publicKey of lowOrderPublicKeys) {
      const state = createInitiation(
        {
          suite: SUITE,
          local: FIRST.initiator,
          remotePublicKey: fromHex(publicKey),
          ephemeralPrivate: new Uint8Array(32).fill(1),
          senderIndex: 1,
          timestamp: new Uint8Array(12),
        },
        new Uint8Array(INITIATION_BYTES),
      );
      expect(state).toBeUndefined();
    }
  });
});
