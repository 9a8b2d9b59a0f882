/** Randomness for keys, epochs and indices, from the system. */
import { randomBytes } from 'node:crypto';

/** Cryptographically secure bytes. */
export function secureRandom(length: number): Uint8Array {
  return randomBytes(length);
}
