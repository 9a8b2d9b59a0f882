/** A handshake as an observer follows it who has the secrets of one side (spec handshake 2).
 *
 *  The two sides compute the same values from different keys. The observer uses whichever private keys it has: those of
 *  the initiator or those of the responder. */
import {
  asciiBytes,
  CONSTRUCTION,
  type CryptoSuite,
  copyBytes,
  IDENTIFIER,
  InitiationOffset,
  KEY_BYTES,
  ResponseOffset,
  SymmetricState,
  TAG_BYTES,
  TAI64N_BYTES,
} from '@underpass/protocol';
import type { HandshakeSecrets } from './handshake-secrets.js';

const SEALED_STATIC_BYTES = KEY_BYTES + TAG_BYTES;
const SEALED_TIMESTAMP_BYTES = TAI64N_BYTES + TAG_BYTES;

/** A message 1 that was opened. */
export interface ObservedHandshake {
  /** The plaintexts in their places. */
  readonly opened: Uint8Array;
  readonly symmetric: SymmetricState;
  readonly initiatorStatic: Uint8Array;
  readonly initiatorEphemeral: Uint8Array;
  /** Those of the initiator; undefined if we have the responder's. */
  readonly secrets: HandshakeSecrets | undefined;
}

/** The keys of both directions, 32 bytes each. */
export interface ObservedKeys {
  readonly initiatorSends: Uint8Array;
  readonly responderSends: Uint8Array;
}

/** Opens a message 1 with the initiator's secrets. @returns undefined if they do not fit */
export function observeAsInitiator(
  suite: CryptoSuite,
  message: Uint8Array,
  secrets: HandshakeSecrets,
): ObservedHandshake | undefined {
  const responderStatic = secrets.remoteStaticPublic;
  const es = suite.x25519(secrets.localEphemeralPrivate, responderStatic);
  const ss = () => suite.x25519(secrets.localStaticPrivate, responderStatic);
  return observe(suite, message, responderStatic, es, ss, secrets);
}

/** Opens a message 1 with the responder's static key. @returns undefined if it was meant for somebody else */
export function observeAsResponder(
  suite: CryptoSuite,
  message: Uint8Array,
  staticPrivate: Uint8Array,
): ObservedHandshake | undefined {
  const es = suite.x25519(staticPrivate, ephemeralOf(message));
  const ss = (initiatorStatic: Uint8Array) => suite.x25519(staticPrivate, initiatorStatic);
  return observe(suite, message, suite.x25519PublicKey(staticPrivate), es, ss, undefined);
}

/** -> e, es, s, ss, payload */
function observe(
  suite: CryptoSuite,
  message: Uint8Array,
  responderStatic: Uint8Array,
  es: Uint8Array | undefined,
  ss: (initiatorStatic: Uint8Array) => Uint8Array | undefined,
  secrets: HandshakeSecrets | undefined,
): ObservedHandshake | undefined {
  const initiatorEphemeral = copyBytes(ephemeralOf(message));
  const symmetric = new SymmetricState(suite, CONSTRUCTION);
  symmetric.mixHash(asciiBytes(IDENTIFIER));
  symmetric.mixHash(responderStatic);
  symmetric.mixHash(initiatorEphemeral);
  symmetric.mixKey(initiatorEphemeral);
  if (es === undefined) return undefined;
  symmetric.mixKey(es);
  const { encryptedStatic, encryptedTimestamp } = InitiationOffset;
  const initiatorStatic = symmetric.decryptAndHash(message, encryptedStatic, SEALED_STATIC_BYTES);
  const staticStatic = initiatorStatic && ss(initiatorStatic);
  if (initiatorStatic === undefined || staticStatic === undefined) return undefined;
  symmetric.mixKey(staticStatic);
  const timestamp = symmetric.decryptAndHash(message, encryptedTimestamp, SEALED_TIMESTAMP_BYTES);
  if (timestamp === undefined) return undefined;
  const opened = copyBytes(message);
  opened.set(initiatorStatic, encryptedStatic);
  opened.set(timestamp, encryptedTimestamp);
  return { opened, symmetric, initiatorStatic, initiatorEphemeral, secrets };
}

/** <- e, ee, se, psk, payload: derives the transport keys from a message 2.
 *
 *  @param responder  the secrets that belong to its ephemeral key, if we have those of the responder
 *  @returns undefined if the secrets do not fit, or are missing */
export function observeResponse(
  suite: CryptoSuite,
  handshake: ObservedHandshake,
  message: Uint8Array,
  responder: HandshakeSecrets | undefined,
): ObservedKeys | undefined {
  const { ephemeral, encryptedNothing } = ResponseOffset;
  const responderEphemeral = message.subarray(ephemeral, ephemeral + KEY_BYTES);
  const secrets = handshake.secrets ?? responder;
  if (secrets === undefined) return undefined;
  const [ee, se] =
    secrets === handshake.secrets
      ? [
          suite.x25519(secrets.localEphemeralPrivate, responderEphemeral),
          suite.x25519(secrets.localStaticPrivate, responderEphemeral),
        ]
      : [
          suite.x25519(secrets.localEphemeralPrivate, handshake.initiatorEphemeral),
          suite.x25519(secrets.localEphemeralPrivate, handshake.initiatorStatic),
        ];
  if (ee === undefined || se === undefined) return undefined;
  // A forged message 2 must not spoil the handshake for the genuine one.
  const symmetric = handshake.symmetric.clone();
  symmetric.mixHash(responderEphemeral);
  symmetric.mixKey(responderEphemeral);
  symmetric.mixKey(ee);
  symmetric.mixKey(se);
  symmetric.mixKeyAndHash(secrets.presharedKey);
  if (symmetric.decryptAndHash(message, encryptedNothing, TAG_BYTES) === undefined) return undefined;
  const [initiatorSends, responderSends] = symmetric.split();
  return { initiatorSends, responderSends };
}

function ephemeralOf(message: Uint8Array): Uint8Array {
  return message.subarray(InitiationOffset.ephemeral, InitiationOffset.ephemeral + KEY_BYTES);
}
