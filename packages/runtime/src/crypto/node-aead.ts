import { createCipheriv, createDecipheriv } from 'node:crypto';
import { type Aead, TAG_BYTES } from '@underpass/protocol';
import { KeyedAead } from './keyed-aead.js';

const ALGORITHM = 'chacha20-poly1305';
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/** ChaCha20-Poly1305 through node:crypto, which returns copies: they are written back into the buffer. */
export class NodeAead extends KeyedAead implements Aead {
  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    this.setNonce(counterHigh, counterLow);
    const cipher = createCipheriv(ALGORITHM, this.key, this.nonce, OPTIONS);
    if (additional !== undefined) cipher.setAAD(additional, { plaintextLength: length });
    const end = offset + length;
    buffer.set(cipher.update(buffer.subarray(offset, end)), offset);
    cipher.final();
    buffer.set(cipher.getAuthTag(), end);
  }

  open(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): boolean {
    this.setNonce(counterHigh, counterLow);
    if (length < TAG_BYTES) return false;
    const end = offset + length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, this.key, this.nonce, OPTIONS);
    if (additional !== undefined) decipher.setAAD(additional, { plaintextLength: length - TAG_BYTES });
    decipher.setAuthTag(buffer.subarray(end, offset + length));
    const plaintext = decipher.update(buffer.subarray(offset, end));
    try {
      decipher.final();
    } catch {
      return false; // OpenSSL throws when the tag does not match
    }
    buffer.set(plaintext, offset);
    return true;
  }
}
