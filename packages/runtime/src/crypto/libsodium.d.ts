/** The parts of libsodium's WebAssembly build that we use. The package has no types of its own. */
declare module 'libsodium' {
  /** An address in the memory of the WebAssembly module. 0 is NULL. */
  type Place = number;

  /** Functions return 0 on success. Of a 64-bit length only the lower half is ever needed. */
  export interface Libsodium {
    /** The memory. It is another array after the module has grown. */
    readonly HEAPU8: Uint8Array;
    _malloc(bytes: number): Place;
    _free(place: Place): void;
    _crypto_aead_chacha20poly1305_ietf_encrypt(
      into: Place,
      written: Place,
      message: Place,
      length: number,
      lengthHigh: number,
      additional: Place,
      additionalLength: number,
      additionalLengthHigh: number,
      secretNonce: Place,
      nonce: Place,
      key: Place,
    ): number;
    _crypto_aead_chacha20poly1305_ietf_decrypt(
      into: Place,
      written: Place,
      secretNonce: Place,
      sealed: Place,
      length: number,
      lengthHigh: number,
      additional: Place,
      additionalLength: number,
      additionalLengthHigh: number,
      nonce: Place,
      key: Place,
    ): number;
  }

  export default function load(): Promise<Libsodium>;
}
