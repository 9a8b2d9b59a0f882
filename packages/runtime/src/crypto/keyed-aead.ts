import { assert, copySecret, KEY_BYTES, wipe } from '@underpass/protocol';

const NONCE_BYTES = 12;
const COUNTER_OFFSET = 4;

/** The part that AEADs of libraries without contexts have in common: a key and a nonce, passed with every call.
 *
 *  It owns a copy of the key and the nonce buffer, which every call reuses. The session that created it calls `destroy`
 *  when the keypair expires; that wipes the key, and any later call is a bug. It never chooses a counter. */
export abstract class KeyedAead {
  protected readonly key: Uint8Array;
  protected readonly nonce = Buffer.alloc(NONCE_BYTES);
  #destroyed = false;

  constructor(key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'an AEAD key has 32 bytes');
    this.key = copySecret(key);
  }

  protected setNonce(counterHigh: number, counterLow: number): void {
    assert(!this.#destroyed, 'the AEAD was destroyed');
    this.nonce.writeUInt32LE(counterLow, COUNTER_OFFSET);
    this.nonce.writeUInt32LE(counterHigh, COUNTER_OFFSET + 4);
  }

  destroy(): void {
    wipe(this.key);
    this.#destroyed = true;
  }
}
