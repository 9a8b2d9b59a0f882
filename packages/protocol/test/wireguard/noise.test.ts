import { asciiBytes, kdf2, kdf3 } from '@underpass/protocol';
import { fromHex, readVectors, toHex, type Vectors } from '@underpass/testkit/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONSTRUCTION, IDENTIFIER } from '../../src/wireguard/constants.js';
import { InitiationOffset, ResponseOffset } from '../../src/wireguard/messages.js';
import {
  HandshakeState,
  type KeyPair,
  MESSAGE_1_OVERHEAD,
  MESSAGE_2_OVERHEAD,
  SymmetricState,
} from '../../src/wireguard/noise.js';
import { CAPTURED, SUITE } from './captured.js';

interface NoiseVector {
  readonly prologue: string;
  readonly presharedKey: string;
  readonly initiatorStatic: string;
  readonly initiatorEphemeral: string;
  readonly responderStatic: string;
  readonly responderEphemeral: string;
  readonly handshakeHash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const vectors = ['cacophony-ikpsk2.json', 'flynn-ikpsk2.json'].flatMap((file) =>
  readVectors<Vectors<NoiseVector>>(file).vectors.map((vector, i) => ({ title: `${file} ${i}`, ...vector })),
);

function keyPair(privateKey: Uint8Array): KeyPair {
  return { privateKey, publicKey: SUITE.x25519PublicKey(privateKey) };
}

describe('Noise IKpsk2 (spec handshake 2)', () => {
  it.each(vectors)('writes and reads the messages of $title', (vector) => {
    const responderKey = keyPair(fromHex(vector.responderStatic));
    const options = { suite: SUITE, prologue: fromHex(vector.prologue) };
    const initiator = new HandshakeState(
      { ...options, local: keyPair(fromHex(vector.initiatorStatic)) },
      responderKey.publicKey,
    );
    const responder = new HandshakeState({ ...options, local: responderKey });
    const [first, second, ...transport] = vector.messages.map(({ payload, ciphertext }) => ({
      payload: fromHex(payload),
      ciphertext,
    })) as [Message, Message, ...Message[]];

    const one = new Uint8Array(first.payload.length + MESSAGE_1_OVERHEAD);
    expect(initiator.writeMessage1(fromHex(vector.initiatorEphemeral), first.payload, one, 0)).toBe(true);
    expect(toHex(one)).toBe(first.ciphertext);
    expect(toHex(responder.readMessage1Static(one, 0))).toBe(
      toHex(keyPair(fromHex(vector.initiatorStatic)).publicKey),
    );
    expect(toHex(responder.readMessage1Payload(one, 0, one.length))).toBe(toHex(first.payload));

    const two = new Uint8Array(second.payload.length + MESSAGE_2_OVERHEAD);
    const presharedKey = fromHex(vector.presharedKey);
    const ephemeral = fromHex(vector.responderEphemeral);
    expect(responder.writeMessage2(ephemeral, presharedKey, second.payload, two, 0)).toBe(true);
    expect(toHex(two)).toBe(second.ciphertext);
    expect(toHex(initiator.readMessage2(presharedKey, two, 0, two.length))).toBe(toHex(second.payload));

    if (vector.handshakeHash !== undefined) {
      expect(toHex(initiator.symmetric.hash)).toBe(vector.handshakeHash);
      expect(toHex(responder.symmetric.hash)).toBe(vector.handshakeHash);
    }
    const keys = initiator.split();
    const mirrored = responder.split();
    expect([toHex(keys.send), toHex(keys.receive)]).toEqual([toHex(mirrored.receive), toHex(mirrored.send)]);
    checkTransport(transport, [keys.send, keys.receive]);
  });

  it('has vectors with an even number of transport messages, so that both sides send', () => {
    for (const { messages } of vectors) expect(messages.length % 2).toBe(0);
  });

  it.each(CAPTURED)(
    'computes the chaining keys and hashes of the captured handshake: $name',
    ({ hex, ...captured }) => {
      const { steps } = hex;
      let step = 0;
      const state = new SymmetricState(SUITE, CONSTRUCTION);
      const check = () => {
        const { after, chaining_key, hash } = steps[step++] as (typeof steps)[number];
        expect([after, toHex(state.chainingKey), toHex(state.hash)]).toEqual([after, chaining_key, hash]);
      };
      const mixEphemeral = (publicKey: string) => {
        state.mixHash(fromHex(publicKey));
        state.mixKey(fromHex(publicKey));
        check();
      };
      const mixDh = (privateKey: string, publicKey: string): string | undefined => {
        const shared = SUITE.x25519(fromHex(privateKey), fromHex(publicKey)) as Uint8Array;
        const [, key] = kdf2(SUITE, state.chainingKey, shared);
        state.mixKey(shared);
        return toHex(key);
      };
      const { message1, message2 } = captured;
      const at = InitiationOffset;

      state.mixHash(asciiBytes(IDENTIFIER));
      state.mixHash(captured.responder.publicKey);
      check();
      mixEphemeral(hex.initiator_ephemeral_public);
      expect(mixDh(hex.initiator_ephemeral_private, hex.responder_static_public)).toBe(hex.key_static);
      expect(toHex(state.decryptAndHash(message1, at.encryptedStatic, 48))).toBe(hex.initiator_static_public);
      check();
      expect(mixDh(hex.initiator_static_private, hex.responder_static_public)).toBe(hex.key_timestamp);
      expect(toHex(state.decryptAndHash(message1, at.encryptedTimestamp, 28))).toBe(hex.timestamp_tai64n);
      check();
      mixEphemeral(hex.responder_ephemeral_public);
      mixDh(hex.responder_ephemeral_private, hex.initiator_ephemeral_public);
      check();
      mixDh(hex.responder_ephemeral_private, hex.initiator_static_public);
      check();
      const [, tau, keyOfNothing] = kdf3(SUITE, state.chainingKey, captured.presharedKey);
      expect([toHex(tau), toHex(keyOfNothing)]).toEqual([hex.tau, hex.key_empty]);
      state.mixKeyAndHash(captured.presharedKey);
      check();
      expect(state.decryptAndHash(message2, ResponseOffset.encryptedNothing, 16)).toHaveLength(0);
      check();
      expect(step).toBe(steps.length);
      expect(state.split().map((key) => toHex(key))).toEqual([
        hex.transport_key_initiator_to_responder,
        hex.transport_key_responder_to_initiator,
      ]);
    },
  );

  it('starts from the protocol name itself if it is no longer than a hash (Noise §5.2)', () => {
    const state = new SymmetricState(SUITE, 'Noise_IK_25519_ChaChaPoly_BLAKE2');
    expect(toHex(state.hash)).toBe(toHex(asciiBytes('Noise_IK_25519_ChaChaPoly_BLAKE2')));
    expect(toHex(new SymmetricState(SUITE, 'N').hash)).toBe(`4e${'00'.repeat(31)}`);
  });

  it('gives both sides the same keys, or fails if they disagree on anything', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 5, maxLength: 5 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.constantFrom('nothing', 'prologue', 'presharedKey', 'responderKey'),
        (secrets, payload1, payload2, differs) => {
          const [a, b, ea, eb, presharedKey] = secrets as [
            Uint8Array,
            Uint8Array,
            Uint8Array,
            Uint8Array,
            Uint8Array,
          ];
          const prologue = asciiBytes('one');
          const other = differs === 'prologue' ? asciiBytes('two') : prologue;
          const expected = differs === 'responderKey' ? keyPair(ea) : keyPair(b);
          const initiator = new HandshakeState(
            { suite: SUITE, prologue, local: keyPair(a) },
            expected.publicKey,
          );
          const responder = new HandshakeState({ suite: SUITE, prologue: other, local: keyPair(b) });
          const one = new Uint8Array(payload1.length + MESSAGE_1_OVERHEAD);
          const two = new Uint8Array(payload2.length + MESSAGE_2_OVERHEAD);
          initiator.writeMessage1(ea, payload1, one, 0);
          const known = responder.readMessage1Static(one, 0);
          if (differs === 'prologue' || differs === 'responderKey') {
            expect(known).toBeUndefined();
            return;
          }
          expect(toHex(responder.readMessage1Payload(one, 0, one.length))).toBe(toHex(payload1));
          responder.writeMessage2(eb, presharedKey, payload2, two, 0);
          const key = differs === 'presharedKey' ? a : presharedKey;
          const payload = initiator.readMessage2(key, two, 0, two.length);
          expect(toHex(payload)).toBe(differs === 'presharedKey' ? undefined : toHex(payload2));
          if (differs === 'nothing')
            expect(toHex(initiator.split().send)).toBe(toHex(responder.split().receive));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('overwrites the chaining key and the hash when the handshake ends (spec handshake 2.3)', () => {
    const state = new HandshakeState({
      suite: SUITE,
      prologue: new Uint8Array(0),
      local: keyPair(new Uint8Array(32).fill(1)),
    });
    const { chainingKey, hash } = state.symmetric;
    state.split();
    expect([toHex(chainingKey), toHex(hash)]).toEqual(['00'.repeat(32), '00'.repeat(32)]);
  });
});

interface Message {
  readonly payload: Uint8Array;
  readonly ciphertext: string;
}

/** After the handshake the two sides send in turn, the initiator first. */
function checkTransport(messages: readonly Message[], keys: readonly [Uint8Array, Uint8Array]): void {
  const aeads = keys.map((key) => SUITE.aead(key));
  for (const [i, { payload, ciphertext }] of messages.entries()) {
    const buffer = new Uint8Array(payload.length + 16);
    buffer.set(payload);
    aeads[i % 2]?.seal(0, i >>> 1, buffer, 0, payload.length);
    expect([i, toHex(buffer)]).toEqual([i, ciphertext]);
  }
}
