/** sodium-native, an optional dependency. It seals several times faster than node:crypto and takes keys as bytes.
 *
 *  Only its binary is loaded. The package's own module looks for that at every place where one can be, and brings checks
 *  for 300 functions: together they took a tenth of a relay's start (docs/adr/0027-crypto-suites.md). The binary reads and
 *  writes whatever it is told to, so lengths are checked here. */
import { createRequire } from 'node:module';

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const XNONCE_BYTES = 24;

/** The functions that we use. They work in place, and throw on invalid lengths. */
export interface Sodium {
  readonly aead: SodiumAeadFunctions;
  /** With the longer nonce. */
  readonly xaead: SodiumAeadFunctions;
  /** @returns false when the result is all zero */
  scalarmult(shared: Uint8Array, privateKey: Uint8Array, publicKey: Uint8Array): boolean;
  scalarmultBase(publicKey: Uint8Array, privateKey: Uint8Array): void;
}

export interface SodiumAeadFunctions {
  /** @param ciphertext  may be the same memory as the message, and has room for the tag after it */
  encrypt(
    ciphertext: Uint8Array,
    message: Uint8Array,
    additional: Uint8Array | undefined,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void;
  /** @returns false when the tag does not match */
  decrypt(
    message: Uint8Array,
    ciphertext: Uint8Array,
    additional: Uint8Array | undefined,
    nonce: Uint8Array,
    key: Uint8Array,
  ): boolean;
}

/** What the binary exports: functions that return a negative number on failure, or one that is not 0 for the curve. */
type Binary = Readonly<Record<string, (...parameters: (Uint8Array | undefined)[]) => number>>;

/** @returns undefined when it is not installed, or has no build for this machine */
export function loadSodium(): Sodium | undefined {
  const { platform, arch } = process;
  const require = createRequire(import.meta.url);
  try {
    return functionsOf(require(`sodium-native/prebuilds/${platform}-${arch}/sodium-native.node`) as Binary);
  } catch {
    return undefined;
  }
}

function functionsOf(binary: Binary): Sodium {
  const scalarmult = functionOf(binary, 'crypto_scalarmult');
  const scalarmultBase = functionOf(binary, 'crypto_scalarmult_base');
  return {
    aead: aeadOf(binary, 'crypto_aead_chacha20poly1305_ietf', NONCE_BYTES),
    xaead: aeadOf(binary, 'crypto_aead_xchacha20poly1305_ietf', XNONCE_BYTES),
    scalarmult(shared, privateKey, publicKey) {
      for (const bytes of [shared, privateKey, publicKey]) checkLength(bytes, KEY_BYTES);
      return scalarmult(shared, privateKey, publicKey) === 0;
    },
    scalarmultBase(publicKey, privateKey) {
      for (const bytes of [publicKey, privateKey]) checkLength(bytes, KEY_BYTES);
      scalarmultBase(publicKey, privateKey);
    },
  };
}

function aeadOf(binary: Binary, name: string, nonceBytes: number): SodiumAeadFunctions {
  const encrypt = functionOf(binary, `${name}_encrypt`);
  const decrypt = functionOf(binary, `${name}_decrypt`);
  return {
    encrypt(ciphertext, message, additional, nonce, key) {
      checkLength(ciphertext, message.length + TAG_BYTES);
      checkLength(nonce, nonceBytes);
      checkLength(key, KEY_BYTES);
      if (encrypt(ciphertext, message, additional, nonce, key) < 0) throw new Error('sodium cannot seal');
    },
    decrypt(message, ciphertext, additional, nonce, key) {
      checkLength(ciphertext, message.length + TAG_BYTES);
      checkLength(nonce, nonceBytes);
      checkLength(key, KEY_BYTES);
      return decrypt(message, ciphertext, additional, nonce, key) >= 0;
    },
  };
}

function functionOf(binary: Binary, name: string) {
  const found = binary[name];
  if (typeof found !== 'function') throw new Error(`sodium has no ${name}`);
  return found;
}

function checkLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`sodium needs ${length} bytes, not ${bytes.length}`);
}
