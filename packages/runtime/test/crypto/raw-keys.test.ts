/** X25519 through a node:crypto that takes keys as their bytes, as later versions of Node do. The test makes one of
 *  whatever version runs it, and one that does not. */
import { createPortableSuite } from '@underpass/protocol';
import { toHex } from '@underpass/testkit/crypto';
import { describe, expect, it, vi } from 'vitest';

interface Import {
  readonly key: Uint8Array;
  readonly format: string;
  readonly asymmetricKeyType?: string;
}

function takesRawKeys(): boolean {
  try {
    const real = process.getBuiltinModule('node:crypto');
    real.createPrivateKey({ key: ONE, format: 'raw-private', asymmetricKeyType: 'x25519' } as never);
    return true;
  } catch {
    return false;
  }
}

const stage = vi.hoisted(() => ({ takesRawKeys: true, formats: [] as string[] }));

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>();
  /** The same key in DER (RFC 8410): its 32 bytes behind a head. */
  const derOf = (head: string, { key, asymmetricKeyType }: Import): Buffer => {
    if (!stage.takesRawKeys) throw new TypeError('unknown format');
    expect([asymmetricKeyType, key.length]).toEqual(['x25519', 32]);
    return Buffer.concat([Buffer.from(head, 'hex'), key]);
  };
  return {
    ...real,
    createPrivateKey: (from: Import) => {
      stage.formats.push(from.format);
      if (from.format !== 'raw-private') return real.createPrivateKey(from as never);
      const der = derOf('302e020100300506032b656e04220420', from);
      return real.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    },
    createPublicKey: (from: Import) => {
      if (from.format === undefined) return real.createPublicKey(from as never); // of a private key
      stage.formats.push(from.format);
      if (from.format !== 'raw-public') return real.createPublicKey(from as never);
      const der = derOf('302a300506032b656e032100', from);
      return real.createPublicKey({ key: der, format: 'der', type: 'spki' });
    },
  };
});

const ONE = new Uint8Array(32).fill(1);
const TWO = new Uint8Array(32).fill(2);
const portable = createPortableSuite();

/** What X25519 makes of the two keys, which is what the portable suite makes of them. It is loaded again, because it finds
 *  out once which keys node:crypto takes. */
async function compute(times = 1) {
  vi.resetModules();
  const { nodeX25519 } = await import('../../src/crypto/x25519.js');
  for (let i = 0; i < times; i++) {
    expect(toHex(nodeX25519.x25519(ONE, TWO))).toBe(toHex(portable.x25519(ONE, TWO)));
    expect(toHex(nodeX25519.x25519PublicKey(ONE))).toBe(toHex(portable.x25519PublicKey(ONE)));
  }
  expect(nodeX25519.x25519(ONE, new Uint8Array(32))).toBeUndefined();
}

describe('X25519 of node:crypto', () => {
  it('gets private keys as bytes where it takes them, and never as a string', async () => {
    Object.assign(stage, { takesRawKeys: true, formats: [] });
    await compute();
    expect(new Set(stage.formats)).toEqual(new Set(['raw-private', 'raw-public']));
  });

  // A node:crypto that takes raw keys takes only a JWK whose halves belong together.
  it.skipIf(takesRawKeys())(
    'gets them as JWK where it does not, after one attempt (Node 20, 22)',
    async () => {
      Object.assign(stage, { takesRawKeys: false, formats: [] });
      await compute(2);
      expect(stage.formats.filter((format) => format.startsWith('raw-'))).toEqual(['raw-private']);
    },
  );
});
