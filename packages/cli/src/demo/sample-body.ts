/** Bytes that look random but are always the same, for the demo's HTTP service. */
import { createCipheriv } from 'node:crypto';

const CHUNK_BYTES = 64 * 1024;

/** AES-256-CTR over zeros with a fixed key, which is fast and cannot be compressed.
 *  @returns chunks of `lengthBytes` in total */
export function* sampleBody(lengthBytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-256-ctr', new Uint8Array(32), new Uint8Array(16));
  const zeros = new Uint8Array(CHUNK_BYTES);
  for (let left = lengthBytes; left > 0; left -= CHUNK_BYTES) {
    yield cipher.update(left < CHUNK_BYTES ? zeros.subarray(0, left) : zeros);
  }
}
