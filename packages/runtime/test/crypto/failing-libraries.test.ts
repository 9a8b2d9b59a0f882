/** Suites whose library fails, refuses or has no memory: what they give, and what they leave behind. The libraries here
 *  are the real ones, of which some calls fail. */
import { createRequire } from 'node:module';
import { AssertionError } from '@underpass/protocol';
import {
  createOpenSslSuite,
  createSodiumSuite,
  createWasmSuite,
  loadOpenSsl,
  loadSodium,
  type OpenSsl,
  type Sodium,
} from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';

const PRIVATE_KEY = new Uint8Array(32).fill(9);
const PUBLIC_KEY = new Uint8Array(32).fill(9);

describe.skipIf(loadOpenSsl() === undefined)('the openssl suite', () => {
  /** @param fails  what these functions return */
  function failing(fails: Partial<Record<keyof OpenSsl, number>>) {
    const real = loadOpenSsl() as OpenSsl;
    const calls: string[] = [];
    const noting = Object.entries(real).map(([name, call]) => [
      name,
      (...parameters: unknown[]) => {
        calls.push(name);
        const failure = fails[name as keyof OpenSsl];
        return failure ?? (call as (...all: unknown[]) => unknown)(...parameters);
      },
    ]);
    const suite = createOpenSslSuite(Object.fromEntries(noting) as OpenSsl);
    const count = (name: string) => calls.filter((call) => call === name).length;
    return { suite, count };
  }

  it.each<[Partial<Record<keyof OpenSsl, number>>, number, number]>([
    [{ EVP_PKEY_new_raw_private_key: 0 }, 0, 0],
    [{ EVP_PKEY_new_raw_public_key: 0 }, 1, 0],
    [{ EVP_PKEY_CTX_new: 0 }, 2, 1],
    [{ EVP_PKEY_derive_init: 0 }, 2, 1],
    [{ EVP_PKEY_derive_set_peer: 0 }, 2, 1],
    [{ EVP_PKEY_derive: -2 }, 2, 1],
  ])('derives nothing if %j, and frees what it had', (fails, keys, contexts) => {
    const { suite, count } = failing(fails);
    expect(suite.x25519(PRIVATE_KEY, PUBLIC_KEY)).toBeUndefined();
    expect([count('EVP_PKEY_free'), count('EVP_PKEY_CTX_free')]).toEqual([keys, contexts]);
    expect(count('ERR_clear_error')).toBe(contexts);
  });

  it.each([{ EVP_PKEY_new_raw_private_key: 0 }, { EVP_PKEY_get_raw_public_key: 0 }])(
    'has no public key if %j',
    (fails) => {
      expect(() => failing(fails).suite.x25519PublicKey(PRIVATE_KEY)).toThrow('OpenSSL has no X25519');
    },
  );

  it('takes only keys of 32 bytes', () => {
    const { suite, count } = failing({});
    for (const length of [31, 33]) {
      const other = new Uint8Array(length);
      expect(() => suite.x25519(other, PUBLIC_KEY)).toThrow(AssertionError);
      expect(() => suite.x25519(PRIVATE_KEY, other)).toThrow(AssertionError);
      expect(() => suite.x25519PublicKey(other)).toThrow(AssertionError);
      expect(() => suite.aead(other)).toThrow(AssertionError);
    }
    expect(count('EVP_PKEY_new_raw_private_key') + count('EVP_CIPHER_CTX_new')).toBe(0);
  });

  it('has no cipher without memory for it', () => {
    const { suite, count } = failing({ EVP_CIPHER_CTX_new: 0 });
    expect(() => suite.aead(PRIVATE_KEY)).toThrow('OpenSSL has no memory for a cipher');
    expect([count('EVP_CipherInit_ex'), count('EVP_CIPHER_CTX_free')]).toEqual([0, 0]);
  });

  it.each(['addAdditional', 'EVP_CipherUpdate', 'EVP_CipherFinal_ex', 'EVP_CIPHER_CTX_ctrl'] as const)(
    'neither seals nor opens if %s fails',
    (name) => {
      const { suite, count } = failing({ [name]: 0 });
      const aead = suite.aead(PRIVATE_KEY);
      const additional = new Uint8Array(4);
      expect(() => aead.seal(0, 0, new Uint8Array(48), 0, 32, additional)).toThrow(
        'OpenSSL seals every packet',
      );
      expect(aead.open(0, 0, new Uint8Array(48), 0, 48, additional)).toBe(false);
      expect(count('ERR_clear_error')).toBe(1);
      aead.destroy();
    },
  );
});

describe.skipIf(loadSodium() === undefined)('the sodium suite', () => {
  const { platform, arch } = process;
  const binary = createRequire(import.meta.url)(
    `sodium-native/prebuilds/${platform}-${arch}/sodium-native.node`,
  ) as Record<string, unknown>;

  /** Replaces functions of the binary until the test ends. */
  function replacing(functions: Readonly<Record<string, unknown>>): Sodium | undefined {
    const real = Object.fromEntries(Object.keys(functions).map((name) => [name, binary[name]]));
    Object.assign(binary, functions);
    onTestFinished(() => void Object.assign(binary, real));
    return loadSodium();
  }

  it.each([
    'crypto_scalarmult',
    'crypto_scalarmult_base',
    'crypto_aead_chacha20poly1305_ietf_encrypt',
    'crypto_aead_chacha20poly1305_ietf_decrypt',
    'crypto_aead_xchacha20poly1305_ietf_encrypt',
    'crypto_aead_xchacha20poly1305_ietf_decrypt',
  ])('does not exist without %s', (name) => {
    expect(replacing({ [name]: undefined })).toBeUndefined();
  });

  it('does not seal if its library fails', () => {
    const sodium = replacing({ crypto_aead_chacha20poly1305_ietf_encrypt: () => -1 }) as Sodium;
    const aead = createSodiumSuite(sodium).aead(PRIVATE_KEY);
    expect(() => aead.seal(0, 0, new Uint8Array(48), 0, 32)).toThrow('sodium cannot seal');
  });

  it.each([
    [-1, 7],
    [1, 7],
    [0, 0],
  ])('refuses a shared secret if its library says %i, or it is zero (%i)', (answer, byte) => {
    const crypto_scalarmult = (shared: Uint8Array) => {
      shared.fill(byte);
      return answer;
    };
    const suite = createSodiumSuite(replacing({ crypto_scalarmult }) as Sodium);
    expect(suite.x25519(PRIVATE_KEY, PUBLIC_KEY)).toBeUndefined();
  });
});

describe('the wasm suite', () => {
  it('takes only keys of 32 bytes', async () => {
    const suite = await createWasmSuite();
    for (const length of [31, 33]) expect(() => suite.aead(new Uint8Array(length))).toThrow(AssertionError);
  });

  it('takes no more than its memory has room for', async () => {
    const aead = (await createWasmSuite()).aead(PRIVATE_KEY);
    onTestFinished(() => aead.destroy());
    const buffer = new Uint8Array(65_535 + 17);
    expect(() => aead.seal(0, 0, buffer, 0, 65_535)).not.toThrow();
    expect(() => aead.seal(0, 0, buffer, 0, 65_536)).toThrow(AssertionError);
    expect(() => aead.seal(0, 0, buffer, 0, 1, new Uint8Array(1024))).not.toThrow();
    expect(() => aead.seal(0, 0, buffer, 0, 1, new Uint8Array(1025))).toThrow(AssertionError);
  });
});
