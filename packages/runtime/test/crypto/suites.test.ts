import { AssertionError } from '@underpass/protocol';
import {
  createOpenSslSuite,
  createSodiumSuite,
  loadOpenSsl,
  loadSodium,
  type OpenSsl,
  type Sodium,
} from '@underpass/runtime';
import { describeLowOrder, describeSuite } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import { EVERY_SUITE } from './every-suite.js';

for (const [name, create] of EVERY_SUITE) {
  describeSuite(name, create);
  describeLowOrder(name, create);
}

describe.each(EVERY_SUITE)('the %s suite', (name, create) => {
  it('is called by its name', () => {
    expect(create().name).toBe(name);
  });

  it('seals and opens every length of a packet, and opens none that is cut short', () => {
    const aead = create().aead(new Uint8Array(32).fill(3));
    for (let length = 0; length <= 1500; length++) {
      const buffer = new Uint8Array(length + 16).fill(length);
      aead.seal(0, length, buffer, 0, length);
      const cut = buffer.slice(0, Math.max(0, buffer.length - 1));
      expect(aead.open(0, length, cut, 0, cut.length)).toBe(false);
      expect(aead.open(0, length, buffer, 0, buffer.length)).toBe(true);
      expect(buffer.subarray(0, length).every((byte) => byte === (length & 0xff))).toBe(true);
    }
    for (let length = 0; length < 16; length++) {
      expect(aead.open(0, 0, new Uint8Array(16), 0, length)).toBe(false);
    }
    aead.destroy();
  });

  it('seals and opens the longest UDP payload', () => {
    const aead = create().aead(new Uint8Array(32).fill(3));
    const buffer = new Uint8Array(65_535);
    aead.seal(0, 0, buffer, 0, buffer.length - 16);
    expect(aead.open(0, 0, buffer, 0, buffer.length)).toBe(true);
    expect(buffer.subarray(0, -16).every((byte) => byte === 0)).toBe(true);
    aead.destroy();
  });

  it('refuses to work after it was destroyed, however often that was', () => {
    const aead = create().aead(new Uint8Array(32));
    aead.destroy();
    aead.destroy();
    expect(() => aead.seal(0, 0, new Uint8Array(32), 0, 16)).toThrow(AssertionError);
    expect(() => aead.open(0, 0, new Uint8Array(32), 0, 32)).toThrow(AssertionError);
  });

  it('takes only keys of 32 bytes', () => {
    const suite = create();
    const key = new Uint8Array(32).fill(9);
    for (const other of [new Uint8Array(31).fill(9), new Uint8Array(33).fill(9)]) {
      expect(() => suite.x25519(other, key)).toThrow();
      expect(() => suite.x25519(key, other)).toThrow();
      expect(() => suite.x25519PublicKey(other)).toThrow();
      expect(() => suite.aead(other)).toThrow(AssertionError);
      const [nonce, sealed] = [new Uint8Array(24), new Uint8Array(20)];
      expect(() => suite.xaeadSeal(other, nonce, sealed, nonce)).toThrow();
      expect(() => suite.xaeadOpen(other, nonce, sealed, nonce)).toThrow();
    }
  });

  it('keeps the keys of many ciphers apart', () => {
    const suite = create();
    const aeads = Array.from({ length: 40 }, (_, i) => suite.aead(new Uint8Array(32).fill(i)));
    const sealed = aeads.map((aead) => {
      const buffer = new Uint8Array(48);
      aead.seal(0, 0, buffer, 0, 32);
      return buffer;
    });
    expect(new Set(sealed.map(String)).size).toBe(40);
    for (const [i, aead] of aeads.entries()) {
      expect(aead.open(0, 0, (sealed[(i + 1) % 40] as Uint8Array).slice(), 0, 48)).toBe(false);
      expect(aead.open(0, 0, sealed[i] as Uint8Array, 0, 48)).toBe(true);
      aead.destroy();
    }
  });
});

describe('the sodium suite', () => {
  it('leaves the curve, packets and cookies to its library', () => {
    const calls: string[] = [];
    const noting = (name: string) => () => calls.push(name) > 0;
    const cipher = (name: string) => ({ encrypt: noting(`${name} seals`), decrypt: noting(`${name} opens`) });
    const suite = createSodiumSuite({
      aead: cipher('aead'),
      xaead: cipher('xaead'),
      scalarmult: (shared: Uint8Array) => {
        shared.fill(1);
        return calls.push('curve') > 0;
      },
      scalarmultBase: noting('public key'),
    } as unknown as Sodium);
    const key = new Uint8Array(32).fill(9);
    const nonce = key.subarray(0, 24);
    expect(suite.x25519(key, key)).toEqual(new Uint8Array(32).fill(1));
    suite.x25519PublicKey(key);
    suite.aead(key).seal(0, 0, new Uint8Array(20), 0, 4);
    suite.aead(key).open(0, 0, new Uint8Array(20), 0, 20);
    suite.xaeadSeal(key, nonce, key, key);
    suite.xaeadOpen(key, nonce, key, key);
    const ciphers = ['aead seals', 'aead opens', 'xaead seals', 'xaead opens'];
    expect(calls).toEqual(['curve', 'public key', ...ciphers]);
  });

  it('wipes the key of a destroyed cipher', () => {
    const keys: Uint8Array[] = [];
    const suite = createSodiumSuite({
      aead: { encrypt: (...[, , , , key]: Uint8Array[]) => keys.push(key as Uint8Array) },
    } as unknown as Sodium);
    const aead = suite.aead(new Uint8Array(32).fill(7));
    aead.seal(0, 0, new Uint8Array(16), 0, 0);
    expect(keys).toEqual([new Uint8Array(32).fill(7)]);
    aead.destroy();
    expect(keys).toEqual([new Uint8Array(32)]);
  });

  it.skipIf(loadSodium() === undefined)(
    'refuses arrays of wrong lengths, which its binary would read beyond',
    () => {
      const { aead, xaead, scalarmult, scalarmultBase } = loadSodium() as Sodium;
      const bytes = (length: number) => new Uint8Array(length);
      for (const [{ encrypt, decrypt }, nonceBytes] of [[aead, 12] as const, [xaead, 24] as const]) {
        for (const [sealed, nonce, key] of [
          [115, nonceBytes, 32],
          [117, nonceBytes, 32],
          [116, nonceBytes - 1, 32],
          [116, nonceBytes, 31],
        ] as const) {
          const rest = [undefined, bytes(nonce), bytes(key)] as const;
          expect(() => encrypt(bytes(sealed), bytes(100), ...rest)).toThrow(RangeError);
          expect(() => decrypt(bytes(100), bytes(sealed), ...rest)).toThrow(RangeError);
        }
      }
      for (const [a, b, c] of [
        [31, 32, 32],
        [32, 31, 32],
        [32, 32, 31],
      ] as const) {
        expect(() => scalarmult(bytes(a), bytes(b), bytes(c))).toThrow(RangeError);
      }
      expect(() => scalarmultBase(bytes(31), bytes(32))).toThrow(RangeError);
      expect(() => scalarmultBase(bytes(32), bytes(31))).toThrow(RangeError);
    },
  );
});

describe.skipIf(loadOpenSsl() === undefined)('the openssl suite', () => {
  /** OpenSSL, with the calls that a test wants to see or to fail. */
  const watched = (parts: (real: OpenSsl) => Partial<OpenSsl>): OpenSsl => {
    const real = loadOpenSsl() as OpenSsl;
    return { ...real, ...parts(real) };
  };

  it('overwrites the key of a destroyed cipher, then frees its context once', () => {
    const calls: string[] = [];
    const openssl = watched((real) => ({
      EVP_CipherInit_ex: (...parameters) => {
        if (parameters[3] !== 0) calls.push('key');
        return real.EVP_CipherInit_ex(...parameters);
      },
      EVP_CIPHER_CTX_free: (context) => {
        calls.push('free');
        real.EVP_CIPHER_CTX_free(context);
      },
    }));
    const aead = createOpenSslSuite(openssl).aead(new Uint8Array(32).fill(7));
    aead.destroy();
    aead.destroy();
    expect(calls).toEqual(['key', 'key', 'free']);
  });

  it('wipes the copies of private keys that it gives to OpenSSL', () => {
    const copies: Uint8Array[] = [];
    const openssl = watched((real) => ({
      EVP_PKEY_new_raw_private_key: (...parameters) => {
        copies.push(parameters[2]);
        return real.EVP_PKEY_new_raw_private_key(...parameters);
      },
    }));
    const { x25519, x25519PublicKey } = createOpenSslSuite(openssl);
    const key = new Uint8Array(32).fill(9);
    x25519(key, x25519PublicKey(key));
    expect(copies).toEqual([new Uint8Array(32), new Uint8Array(32)]);
    expect(key).toEqual(new Uint8Array(32).fill(9));
  });

  it('frees every key and context of the curve, also when it refuses a point', () => {
    let held = 0;
    const made = (pointer: number): number => {
      held++;
      return pointer;
    };
    const openssl = watched((real) => ({
      EVP_PKEY_new_raw_private_key: (...parameters) => made(real.EVP_PKEY_new_raw_private_key(...parameters)),
      EVP_PKEY_new_raw_public_key: (...parameters) => made(real.EVP_PKEY_new_raw_public_key(...parameters)),
      EVP_PKEY_CTX_new: (...parameters) => made(real.EVP_PKEY_CTX_new(...parameters)),
      EVP_PKEY_free: (key) => {
        held--;
        real.EVP_PKEY_free(key);
      },
      EVP_PKEY_CTX_free: (context) => {
        held--;
        real.EVP_PKEY_CTX_free(context);
      },
    }));
    const { x25519, x25519PublicKey } = createOpenSslSuite(openssl);
    const privateKey = new Uint8Array(32).fill(9);
    expect(x25519(privateKey, x25519PublicKey(privateKey))).toBeDefined();
    expect(x25519(privateKey, new Uint8Array(32))).toBeUndefined();
    expect(held).toBe(0);
  });

  it('calls nothing with bytes outside the buffer', () => {
    const openssl = watched(() => ({
      EVP_CipherUpdate: () => {
        throw new Error('called');
      },
    }));
    const aead = createOpenSslSuite(openssl).aead(new Uint8Array(32));
    for (const [offset, length] of [
      [0, 33],
      [17, 16],
      [-1, 16],
      [0, -1],
    ] as const) {
      expect(() => aead.seal(0, 0, new Uint8Array(48), offset, length)).toThrow(AssertionError);
    }
    expect(() => aead.open(0, 0, new Uint8Array(48), 32, 17)).toThrow(AssertionError);
    aead.destroy();
  });

  it('finds packets in many memories in turn, and refuses memory that was taken away', () => {
    const aead = createOpenSslSuite(loadOpenSsl() as OpenSsl).aead(new Uint8Array(32).fill(3));
    // V8 keeps the first in its own heap, and the last two are parts of larger memories.
    const packets = [
      new Uint8Array(48),
      new Uint8Array(1400),
      new Uint8Array(9000).subarray(4321, 4369),
      Buffer.from('x'.repeat(48)).fill(0),
    ];
    for (const packet of packets) aead.seal(0, 1, packet, 0, packet.length - 16);
    for (const packet of packets) {
      expect(aead.open(0, 1, packet, 0, packet.length)).toBe(true);
      expect(packet.subarray(0, -16)).toEqual(packet.subarray(0, -16).map(() => 0));
    }
    const last = new Uint8Array(48);
    aead.seal(0, 2, last, 0, 32);
    structuredClone(last.buffer, { transfer: [last.buffer] });
    expect(() => aead.seal(0, 3, last, 0, 32)).toThrow(AssertionError);
    aead.destroy();
  });

  it('leaves no error behind for node:crypto', () => {
    let cleared = 0;
    const openssl = watched((real) => ({
      ERR_clear_error: () => {
        cleared++;
        real.ERR_clear_error();
      },
    }));
    const suite = createOpenSslSuite(openssl);
    expect(suite.aead(new Uint8Array(32)).open(0, 0, new Uint8Array(48), 0, 48)).toBe(false);
    expect(suite.x25519(new Uint8Array(32), new Uint8Array(32))).toBeUndefined();
    expect(cleared).toBe(2);
  });

  it('cannot be made where OpenSSL has no such cipher', () => {
    let freed = 0;
    const openssl = watched((real) => ({
      EVP_CipherInit_ex: () => 0,
      EVP_CIPHER_CTX_free: (context) => {
        freed++;
        real.EVP_CIPHER_CTX_free(context);
      },
    }));
    expect(() => createOpenSslSuite(openssl).aead(new Uint8Array(32))).toThrow('no ChaCha20-Poly1305');
    expect(freed).toBe(1);
  });
});

describe('OpenSSL', () => {
  it('is not used without koffi, or if the program hides one of its functions', () => {
    const missing = () => {
      throw new Error("Cannot find module 'koffi'");
    };
    expect(loadOpenSsl(missing)).toBeUndefined();
    const func = (prototype: string) => {
      if (prototype.includes('chacha20')) throw new Error('Cannot find function in shared library');
      return () => 0;
    };
    expect(loadOpenSsl(() => ({ load: () => ({ func }), address: () => 0n }))).toBeUndefined();
  });
});
