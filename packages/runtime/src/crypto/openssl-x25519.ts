import { assert, copySecret, isAllZero, KEY_BYTES, wipe } from '@underpass/protocol';
import type { OpenSsl, Pointer } from './openssl.js';
import type { X25519 } from './x25519.js';

/** From openssl/obj_mac.h. */
const EVP_PKEY_X25519 = 1034;

/** X25519 through OpenSSL. It takes keys as bytes, and clears its copy of a private key when it frees it. */
export function openSslX25519(openssl: OpenSsl): X25519 {
  const size = new BigUint64Array(new BigUint64Array(1).buffer);
  const sizeAddress = openssl.addressOf(new Uint8Array(size.buffer));
  /** Calls `use` with a key, and frees it. `use` is not called if there is none. */
  const withKey = (key: Pointer, use: (key: Pointer) => Uint8Array | undefined): Uint8Array | undefined => {
    if (key === 0) return undefined;
    try {
      return use(key);
    } finally {
      openssl.EVP_PKEY_free(key);
    }
  };
  const load = (privateKey: Uint8Array): Pointer => {
    assert(privateKey.length === KEY_BYTES, 'an X25519 key has 32 bytes');
    // V8 may keep a caller's short array in its own heap, and would leave a copy there for the native function.
    const key = copySecret(privateKey);
    const pointer = openssl.EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, 0, key, KEY_BYTES);
    wipe(key);
    return pointer;
  };
  const derive = (own: Pointer, peer: Pointer): Uint8Array | undefined => {
    const context = openssl.EVP_PKEY_CTX_new(own, 0);
    const shared = new Uint8Array(KEY_BYTES);
    size[0] = BigInt(KEY_BYTES);
    const isDerived =
      context !== 0 &&
      openssl.EVP_PKEY_derive_init(context) === 1 &&
      openssl.EVP_PKEY_derive_set_peer(context, peer) === 1 &&
      openssl.EVP_PKEY_derive(context, shared, sizeAddress) === 1;
    openssl.EVP_PKEY_CTX_free(context);
    if (isDerived && !isAllZero(shared)) return shared;
    wipe(shared);
    openssl.ERR_clear_error();
    return undefined; // OpenSSL fails when the result is all zero
  };
  return {
    x25519(privateKey, publicKey) {
      assert(publicKey.length === KEY_BYTES, 'an X25519 key has 32 bytes');
      return withKey(load(privateKey), (own) => {
        const peer = openssl.EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, 0, publicKey, KEY_BYTES);
        return withKey(peer, () => derive(own, peer));
      });
    },
    x25519PublicKey(privateKey) {
      const publicKey = withKey(load(privateKey), (own) => {
        const into = new Uint8Array(KEY_BYTES);
        size[0] = BigInt(KEY_BYTES);
        return openssl.EVP_PKEY_get_raw_public_key(own, into, sizeAddress) === 1 ? into : undefined;
      });
      if (publicKey === undefined) throw new Error('OpenSSL has no X25519');
      return publicKey;
    },
  };
}
