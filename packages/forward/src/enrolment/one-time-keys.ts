/** The keys with which a client enrols, derived from the secret in its link (spec enrolment 2). */
import { hkdfSync } from 'node:crypto';

/** A static key pair and a preshared key for the enrolment handshake alone. */
export interface OneTimeKeys {
  /** 32 bytes, clamped. */
  readonly privateKey: Uint8Array;
  readonly presharedKey: Uint8Array;
}

const KEY_BYTES = 32;

/** Client and relay derive the same keys. The relay's public key is part of the derivation, so a secret is worth nothing
 *  at another relay.
 *
 *  @param secret  32 bytes; the caller wipes it, and the keys too */
export function oneTimeKeys(secret: Uint8Array, relayPublicKey: Uint8Array): OneTimeKeys {
  const privateKey = derive(secret, relayPublicKey, 'underpass enrolment 1 private key');
  privateKey[0] = (privateKey[0] as number) & 248;
  privateKey[31] = ((privateKey[31] as number) & 127) | 64;
  return { privateKey, presharedKey: derive(secret, relayPublicKey, 'underpass enrolment 1 preshared key') };
}

/** HKDF with SHA-256 (RFC 5869). */
function derive(secret: Uint8Array, salt: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, info, KEY_BYTES));
}
