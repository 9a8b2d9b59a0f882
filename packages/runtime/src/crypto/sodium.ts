/** sodium-native, an optional dependency: seals about four times faster than node:crypto. */
import { createRequire } from 'node:module';

/** The two functions of it that are used; both work in place and throw when told nonsense. */
export interface Sodium {
  crypto_aead_chacha20poly1305_ietf_encrypt(
    ciphertext: Uint8Array,
    message: Uint8Array,
    additional: Uint8Array | null,
    secretNonce: null,
    publicNonce: Uint8Array,
    key: Uint8Array,
  ): number;
  crypto_aead_chacha20poly1305_ietf_decrypt(
    message: Uint8Array,
    secretNonce: null,
    ciphertext: Uint8Array,
    additional: Uint8Array | null,
    publicNonce: Uint8Array,
    key: Uint8Array,
  ): number;
}

/** @returns undefined when it is not installed, or not for this machine */
export function loadSodium(): Sodium | undefined {
  try {
    return createRequire(import.meta.url)('sodium-native') as Sodium;
  } catch {
    return undefined;
  }
}
