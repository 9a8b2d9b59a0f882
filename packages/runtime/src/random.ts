/** Randomness for keys, epochs and indices: the system's. */
import { randomBytes } from 'node:crypto';

/** Cryptographically secure bytes. */
export function secureRandom(length: number): Uint8Array {
  return randomBytes(length);
}
