/** The suite of libsodium's WebAssembly build, for machines without a native package. node:crypto does the curve, which
 *  takes WebAssembly longer, and hashing. */
import { type Aead, assert, type CryptoSuite, KEY_BYTES, TAG_BYTES } from '@underpass/protocol';
import type { Libsodium } from 'libsodium';
import { createNodeSuite } from './node-suite.js';

/** No UDP payload is longer. */
const MAX_PACKET_BYTES = 65_535;
const MAX_ADDITIONAL_BYTES = 1024;
const NONCE_BYTES = 12;

/** Loads the module, which takes 20 to 30 ms of a core.
 *  @throws when this machine has no WebAssembly */
export async function createWasmSuite(): Promise<CryptoSuite> {
  const { loadLibsodium } = await import('./wasm-module.js');
  const memory = new WasmMemory(await loadLibsodium());
  return { ...createNodeSuite(), name: 'wasm', aead: (key) => new WasmAead(memory, key) };
}

/** The memory of the WebAssembly module, with places for the arguments of one call. Calls do not overlap. */
class WasmMemory {
  readonly library: Libsodium;
  readonly packet: number;
  readonly additional: number;
  readonly nonce: number;

  constructor(library: Libsodium) {
    this.library = library;
    this.packet = library._malloc(MAX_PACKET_BYTES + TAG_BYTES);
    this.additional = library._malloc(MAX_ADDITIONAL_BYTES);
    this.nonce = library._malloc(NONCE_BYTES);
    library.HEAPU8.fill(0, this.nonce, this.nonce + NONCE_BYTES);
  }

  /** Prepares a call.
   *  @returns the number of bytes of additional data */
  put(
    counterHigh: number,
    counterLow: number,
    input: Uint8Array,
    additional: Uint8Array | undefined,
  ): number {
    const { HEAPU8: bytes } = this.library;
    const additionalBytes = additional?.length ?? 0;
    assert(input.length <= MAX_PACKET_BYTES, 'a packet fits into a datagram');
    assert(additionalBytes <= MAX_ADDITIONAL_BYTES, 'additional data is a hash');
    bytes.set(input, this.packet);
    if (additional !== undefined) bytes.set(additional, this.additional);
    for (let i = 0; i < 4; i++) {
      bytes[this.nonce + 4 + i] = counterLow >>> (8 * i);
      bytes[this.nonce + 8 + i] = counterHigh >>> (8 * i);
    }
    return additionalBytes;
  }
}

/** ChaCha20-Poly1305 in WebAssembly, whose memory never moves. It owns a place there with the key, which `destroy` wipes
 *  and gives back. Packets are copied in and out. */
class WasmAead implements Aead {
  readonly #memory: WasmMemory;
  #key: number;

  constructor(memory: WasmMemory, key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'an AEAD key has 32 bytes');
    this.#memory = memory;
    this.#key = memory.library._malloc(KEY_BYTES);
    if (this.#key === 0) throw new Error('WebAssembly has no memory for a key');
    memory.library.HEAPU8.set(key, this.#key);
  }

  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    assert(this.#key !== 0, 'the AEAD was destroyed');
    const { library, packet, nonce, additional: at } = this.#memory;
    const input = buffer.subarray(offset, offset + length);
    const bytes = this.#memory.put(counterHigh, counterLow, input, additional);
    library._crypto_aead_chacha20poly1305_ietf_encrypt(
      packet,
      0,
      packet,
      length,
      0,
      at,
      bytes,
      0,
      0,
      nonce,
      this.#key,
    );
    buffer.set(library.HEAPU8.subarray(packet, packet + length + TAG_BYTES), offset);
  }

  open(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): boolean {
    assert(this.#key !== 0, 'the AEAD was destroyed');
    if (length < TAG_BYTES) return false;
    const { library, packet, nonce, additional: at } = this.#memory;
    const input = buffer.subarray(offset, offset + length);
    const bytes = this.#memory.put(counterHigh, counterLow, input, additional);
    const refused = library._crypto_aead_chacha20poly1305_ietf_decrypt(
      packet,
      0,
      0,
      packet,
      length,
      0,
      at,
      bytes,
      0,
      nonce,
      this.#key,
    );
    if (refused !== 0) return false;
    buffer.set(library.HEAPU8.subarray(packet, packet + length - TAG_BYTES), offset);
    return true;
  }

  destroy(): void {
    if (this.#key === 0) return;
    const { library } = this.#memory;
    library.HEAPU8.fill(0, this.#key, this.#key + KEY_BYTES);
    library._free(this.#key);
    this.#key = 0;
  }
}
