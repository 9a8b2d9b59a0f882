/** A peer sends a point of low order as its ephemeral key, and computes the rest of the handshake as if the results had
 *  not been refused. They would be zero, so that anybody would know the keys (spec handshake 1.3). */
import {
  type Address,
  type CryptoSuite,
  type Received,
  RoamingPath,
  type Session,
  WireGuard,
} from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from './hex.js';
import { lowOrderPublicKeys } from './vectors.js';

const VICTIM = { address: '192.0.2.1', port: 1 };
const ATTACKER = { address: '192.0.2.2', port: 2 };
const INITIATION_BYTES = 148;

export function describeLowOrder(name: string, create: () => CryptoSuite): void {
  describe(`a handshake with a point of low order, by the ${name} suite`, () => {
    const strict = create();
    /** Checks that the messages are otherwise correct, without which the tests would prove nothing. */
    const careless: CryptoSuite = {
      ...strict,
      x25519: (privateKey, publicKey) => strict.x25519(privateKey, publicKey) ?? new Uint8Array(32),
    };

    it('is refused by the responder', () => {
      for (const point of lowOrderPublicKeys) {
        expect(initiateWith(point, careless, careless).kind).toBe('handshake');
        expect(initiateWith(point, careless, strict)).toEqual(refused);
      }
    });

    it('is refused by the initiator, which still accepts the genuine response', () => {
      for (const point of lowOrderPublicKeys) {
        expect(respondWith(point, careless, careless).received.kind).toBe('handshake');
        const { received, victim, genuine } = respondWith(point, careless, strict);
        expect(received).toEqual(refused);
        expect(victim.handleDatagram(0, genuine, ATTACKER).kind).toBe('handshake');
      }
    });
  });
}

const refused: Received = { kind: 'dropped', reason: 'handshake-failed' };

function initiateWith(point: string, careless: CryptoSuite, suite: CryptoSuite): Received {
  const [attacker, victim] = pair(lying(careless, point), suite);
  attacker.peer.requestHandshake(0);
  return victim.core.handleDatagram(0, takeMessage(attacker.core), ATTACKER);
}

function respondWith(point: string, careless: CryptoSuite, suite: CryptoSuite) {
  const [attacker, victim] = pair(lying(careless, point), suite);
  const [honest] = pair(careless, suite);
  victim.peer.requestHandshake(0);
  const initiation = takeMessage(victim.core);
  attacker.core.handleDatagram(0, new Uint8Array(initiation), VICTIM);
  honest.core.handleDatagram(0, new Uint8Array(initiation), VICTIM);
  const received = victim.core.handleDatagram(0, takeMessage(attacker.core), ATTACKER);
  return { received, victim: victim.core, genuine: takeMessage(honest.core) };
}

/** The suite of an attacker whose ephemeral key is the point. */
function lying(suite: CryptoSuite, point: string): CryptoSuite {
  const isEphemeral = (privateKey: Uint8Array) => toHex(privateKey) === toHex(EPHEMERAL);
  return {
    ...suite,
    x25519: (privateKey, publicKey) =>
      isEphemeral(privateKey) ? new Uint8Array(32) : suite.x25519(privateKey, publicKey),
    x25519PublicKey: (privateKey) =>
      isEphemeral(privateKey) ? fromHex(point) : suite.x25519PublicKey(privateKey),
  };
}

const EPHEMERAL = new Uint8Array(32).fill(0xee);

interface Side {
  readonly core: WireGuard;
  /** The other side's session here. */
  readonly peer: Session;
}

function pair(attacking: CryptoSuite, attacked: CryptoSuite): [attacker: Side, victim: Side] {
  const attacker = newCore(attacking, 1, (length) => EPHEMERAL.slice(0, length));
  const victim = newCore(attacked, 2, (length) => new Uint8Array(length).fill(0x11));
  return [
    { core: attacker, peer: addPeer(attacker, victim.publicKey, VICTIM) },
    { core: victim, peer: addPeer(victim, attacker.publicKey, ATTACKER) },
  ];
}

function addPeer(core: WireGuard, publicKey: Uint8Array, address: Address): Session {
  return core.addPeer({ publicKey, path: new RoamingPath(address) }, () => undefined);
}

function newCore(suite: CryptoSuite, keyByte: number, random: (length: number) => Uint8Array): WireGuard {
  const privateKey = new Uint8Array(32).fill(keyByte);
  return new WireGuard({ privateKey, suite, random, unixTimeMs: () => 1_700_000_000_000 });
}

function takeMessage(core: WireGuard): Uint8Array {
  const buffer = new Uint8Array(INITIATION_BYTES);
  const message = core.pollMessage(0, buffer);
  return buffer.subarray(0, message?.length ?? 0);
}
