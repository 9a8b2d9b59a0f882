/** The OpenSSL inside the node program, called through koffi, an optional dependency. node:crypto makes an object for
 *  each packet; called directly, a context keeps its key, and a packet costs a fifth. */
import { requireKoffi } from '../require-koffi.js';

/** An address in native memory. 0 is NULL. */
export type Pointer = number;

/** The functions that we use, as their manual pages describe them. Unless they return a pointer, they return 1 on
 *  success. */
export interface OpenSsl {
  EVP_chacha20_poly1305(): Pointer;
  EVP_CIPHER_CTX_new(): Pointer;
  EVP_CIPHER_CTX_free(context: Pointer): void;
  EVP_CIPHER_CTX_ctrl(context: Pointer, type: number, arg: number, value: Pointer): number;
  /** 0 in place of a cipher or a key keeps the context's. */
  EVP_CipherInit_ex(
    context: Pointer,
    cipher: Pointer,
    engine: Pointer,
    key: Pointer,
    nonce: Pointer,
    encrypt: number,
  ): number;
  /** Both may be the same address. */
  EVP_CipherUpdate(context: Pointer, into: Pointer, written: Pointer, from: Pointer, length: number): number;
  /** The same function for additional data, which is in an array. @param into  0 */
  addAdditional(context: Pointer, into: Pointer, written: Pointer, from: Uint8Array, length: number): number;
  EVP_CipherFinal_ex(context: Pointer, into: Pointer, written: Pointer): number;
  EVP_PKEY_new_raw_private_key(type: number, engine: Pointer, key: Uint8Array, length: number): Pointer;
  EVP_PKEY_new_raw_public_key(type: number, engine: Pointer, key: Uint8Array, length: number): Pointer;
  EVP_PKEY_get_raw_public_key(key: Pointer, into: Uint8Array, length: Pointer): number;
  EVP_PKEY_free(key: Pointer): void;
  EVP_PKEY_CTX_new(key: Pointer, engine: Pointer): Pointer;
  EVP_PKEY_CTX_free(context: Pointer): void;
  EVP_PKEY_derive_init(context: Pointer): number;
  EVP_PKEY_derive_set_peer(context: Pointer, key: Pointer): number;
  EVP_PKEY_derive(context: Pointer, into: Uint8Array, length: Pointer): number;
  ERR_clear_error(): void;
  /** Where the bytes of an array are. They must be an ArrayBuffer of their own, and must stay reachable while the
   *  address is used. */
  addressOf(bytes: Uint8Array): Pointer;
}

/** `%` stands for the name. Numbers are passed as uintptr_t where an address is fixed, because koffi takes several times as long to look into an
 *  array. */
const PROTOTYPES: Readonly<Record<Exclude<keyof OpenSsl, 'addressOf'>, string>> = {
  EVP_chacha20_poly1305: 'uintptr_t %()',
  EVP_CIPHER_CTX_new: 'uintptr_t %()',
  EVP_CIPHER_CTX_free: 'void %(uintptr_t context)',
  EVP_CIPHER_CTX_ctrl: 'int %(uintptr_t context, int type, int arg, uintptr_t value)',
  EVP_CipherInit_ex:
    'int %(uintptr_t context, uintptr_t cipher, uintptr_t engine, uintptr_t key, uintptr_t nonce, int encrypt)',
  EVP_CipherUpdate: 'int %(uintptr_t context, uintptr_t into, uintptr_t written, uintptr_t from, int length)',
  addAdditional:
    'int EVP_CipherUpdate(uintptr_t context, uintptr_t into, uintptr_t written, const uint8_t *from, int length)',
  EVP_CipherFinal_ex: 'int %(uintptr_t context, uintptr_t into, uintptr_t written)',
  EVP_PKEY_new_raw_private_key: 'uintptr_t %(int type, uintptr_t engine, const uint8_t *key, size_t length)',
  EVP_PKEY_new_raw_public_key: 'uintptr_t %(int type, uintptr_t engine, const uint8_t *key, size_t length)',
  EVP_PKEY_get_raw_public_key: 'int %(uintptr_t key, uint8_t *into, uintptr_t length)',
  EVP_PKEY_free: 'void %(uintptr_t key)',
  EVP_PKEY_CTX_new: 'uintptr_t %(uintptr_t key, uintptr_t engine)',
  EVP_PKEY_CTX_free: 'void %(uintptr_t context)',
  EVP_PKEY_derive_init: 'int %(uintptr_t context)',
  EVP_PKEY_derive_set_peer: 'int %(uintptr_t context, uintptr_t key)',
  EVP_PKEY_derive: 'int %(uintptr_t context, uint8_t *into, uintptr_t length)',
  ERR_clear_error: 'void %()',
};

/** The parts of koffi that we use. */
interface Koffi {
  /** @param path  null for this program and the libraries that it is linked with */
  load(path: null): { func(prototype: string): (...parameters: never[]) => unknown };
  address(bytes: Uint8Array): bigint;
}

/** @returns undefined when koffi is not installed, or when this program does not export OpenSSL's functions, as one that
 *    was built with another library or hides its symbols */
export function loadOpenSsl(loadKoffi: () => unknown = requireKoffi): OpenSsl | undefined {
  try {
    const koffi = loadKoffi() as Koffi;
    const program = koffi.load(null);
    const functions = Object.entries(PROTOTYPES).map(([name, prototype]) => [
      name,
      program.func(prototype.replace('%', name)),
    ]);
    const addressOf = (bytes: Uint8Array): Pointer => Number(koffi.address(bytes));
    return Object.fromEntries([...functions, ['addressOf', addressOf]]) as OpenSsl;
  } catch {
    return undefined;
  }
}
