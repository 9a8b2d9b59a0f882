/** The suite of the OpenSSL inside the node program. */
import { type Aead, assert, type CryptoSuite, KEY_BYTES, TAG_BYTES, wipe } from '@underpass/protocol';
import { createNodeSuite } from './node-suite.js';
import type { OpenSsl, Pointer } from './openssl.js';
import { openSslX25519 } from './openssl-x25519.js';
import type { X25519 } from './x25519.js';

/** From openssl/evp.h. */
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;
const DECRYPT = 0;
const ENCRYPT = 1;

/** Parts of the scratch memory. The nonce starts with four zero bytes. */
const NONCE = 0;
const WRITTEN = 16;
const TAG = 32;
const KEY = 48;
const SCRATCH_BYTES = 80;

/** @param curve  another library's X25519, which OpenSSL's takes twice as long as: it computes the public key of each
 *    private key that it loads */
export function createOpenSslSuite(openssl: OpenSsl, curve: X25519 = openSslX25519(openssl)): CryptoSuite {
  const scratch = new Scratch(openssl);
  return {
    ...createNodeSuite(),
    name: 'openssl',
    ...curve,
    aead: (key) => new OpenSslAead(openssl, scratch, key),
  };
}

/** Memory for the small arguments of a call. Its address is looked up once, and it lives as long as the suite. Calls do
 *  not overlap, so one is enough. Between calls it holds no key. */
class Scratch {
  readonly view = new DataView(new ArrayBuffer(SCRATCH_BYTES));
  /** Apart, because a turn opens what one buffer holds and seals into another. */
  readonly sealing: MemoryAddress;
  readonly opening: MemoryAddress;
  /** A key passes through here, because V8 may keep a caller's short array in its own heap, and would leave a copy there
   *  when a native function asks for its address. */
  readonly key = new Uint8Array(this.view.buffer, KEY, KEY_BYTES);
  readonly address: Pointer;

  constructor(openssl: OpenSsl) {
    this.address = openssl.addressOf(new Uint8Array(this.view.buffer));
    this.sealing = new MemoryAddress(openssl);
    this.opening = new MemoryAddress(openssl);
  }

  setNonce(counterHigh: number, counterLow: number): void {
    this.view.setUint32(NONCE + 4, counterLow, true);
    this.view.setUint32(NONCE + 8, counterHigh, true);
  }
}

/** Knows where packets are in memory. koffi needs 0.1 µs to look into an array, and each packet is passed three times.
 *
 *  Packets share their memory: a batch that is sent is one ArrayBuffer, and so is a message that arrived with many
 *  datagrams. Only the address of the last one is remembered. It is valid while its ArrayBuffer exists, so that is
 *  kept. */
class MemoryAddress {
  readonly #openssl: OpenSsl;
  #memory: ArrayBufferLike | undefined;
  #address: Pointer = 0;
  /** The array of the last packet, and where it begins. */
  #bytes: Uint8Array | undefined;
  #start: Pointer = 0;

  constructor(openssl: OpenSsl) {
    this.#openssl = openssl;
  }

  of(bytes: Uint8Array): Pointer {
    // A batch is one array, and V8 takes longer for the array's memory than for this comparison.
    if (bytes === this.#bytes) return this.#start;
    const memory = bytes.buffer;
    if (memory !== this.#memory) {
      this.#address = this.#openssl.addressOf(new Uint8Array(memory));
      this.#memory = memory;
    }
    this.#bytes = bytes;
    this.#start = this.#address + bytes.byteOffset;
    return this.#start;
  }
}

/** ChaCha20-Poly1305 in a context of OpenSSL, which has the key. It seals and opens in place.
 *
 *  It owns the context. `destroy` overwrites the key in it and frees it; any later call is a bug. OpenSSL checks no
 *  lengths, so every length is checked here before the call. */
class OpenSslAead implements Aead {
  readonly #openssl: OpenSsl;
  readonly #scratch: Scratch;
  #context: Pointer;

  constructor(openssl: OpenSsl, scratch: Scratch, key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'an AEAD key has 32 bytes');
    this.#openssl = openssl;
    this.#scratch = scratch;
    this.#context = openssl.EVP_CIPHER_CTX_new();
    if (this.#context === 0) throw new Error('OpenSSL has no memory for a cipher');
    scratch.key.set(key);
    const isReady = this.#setKey(openssl.EVP_chacha20_poly1305());
    wipe(scratch.key);
    if (isReady) return;
    this.destroy();
    throw new Error('OpenSSL has no ChaCha20-Poly1305');
  }

  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    checkBounds(buffer, offset, length + TAG_BYTES);
    const packet = this.#scratch.sealing.of(buffer) + offset;
    const isSealed =
      this.#start(counterHigh, counterLow, ENCRYPT, additional) &&
      this.#process(packet, length) &&
      this.#control(EVP_CTRL_AEAD_GET_TAG, packet + length);
    assert(isSealed, 'OpenSSL seals every packet');
  }

  open(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): boolean {
    if (length < TAG_BYTES) return false;
    checkBounds(buffer, offset, length);
    const packet = this.#scratch.opening.of(buffer) + offset;
    const textBytes = length - TAG_BYTES;
    const isGenuine =
      this.#start(counterHigh, counterLow, DECRYPT, additional) &&
      this.#control(EVP_CTRL_AEAD_SET_TAG, packet + textBytes) &&
      this.#process(packet, textBytes);
    // node:crypto would take an error that we leave behind for its own.
    if (!isGenuine) this.#openssl.ERR_clear_error();
    return isGenuine;
  }

  destroy(): void {
    if (this.#context === 0) return;
    this.#setKey(0);
    this.#openssl.EVP_CIPHER_CTX_free(this.#context);
    this.#context = 0;
  }

  /** Gives the context the key that is in the scratch memory: zeros, except while a key passes through.
   *  @param cipher  0 to keep the context's */
  #setKey(cipher: Pointer): boolean {
    const { address } = this.#scratch;
    const context = this.#context;
    return this.#openssl.EVP_CipherInit_ex(context, cipher, 0, address + KEY, address + NONCE, ENCRYPT) === 1;
  }

  #start(
    counterHigh: number,
    counterLow: number,
    direction: number,
    additional: Uint8Array | undefined,
  ): boolean {
    assert(this.#context !== 0, 'the AEAD was destroyed');
    const { address } = this.#scratch;
    const context = this.#context;
    this.#scratch.setNonce(counterHigh, counterLow);
    if (this.#openssl.EVP_CipherInit_ex(context, 0, 0, 0, address + NONCE, direction) !== 1) return false;
    if (additional === undefined || additional.length === 0) return true;
    return this.#openssl.addAdditional(context, 0, address + WRITTEN, additional, additional.length) === 1;
  }

  /** @param packet  the address of `length` bytes, which are replaced */
  #process(packet: Pointer, length: number): boolean {
    const { address } = this.#scratch;
    const context = this.#context;
    return (
      this.#openssl.EVP_CipherUpdate(context, packet, address + WRITTEN, packet, length) === 1 &&
      // A stream cipher has nothing left to write, so `TAG` only stands for a place that may be written to.
      this.#openssl.EVP_CipherFinal_ex(context, address + TAG, address + WRITTEN) === 1
    );
  }

  /** @param tag  the address of its 16 bytes */
  #control(type: number, tag: Pointer): boolean {
    return this.#openssl.EVP_CIPHER_CTX_ctrl(this.#context, type, TAG_BYTES, tag) === 1;
  }
}

/** Checks that a packet with its tag is within its buffer: OpenSSL gets only its address. */
function checkBounds(buffer: Uint8Array, offset: number, length: number): void {
  const isWithin = offset >= 0 && length >= TAG_BYTES && offset + length <= buffer.length;
  assert(isWithin, 'the packet is within its buffer');
}
