/** The fastest suite that works on this machine. */
import { type CryptoSuite, createPortableSuite } from '@underpass/protocol';
import { createNativeSuite } from './native.js';
import { loadSodium } from './sodium.js';

/** Tries sodium, then node:crypto, then the portable suite, which needs nothing. */
export function chooseSuite(): CryptoSuite {
  const portable = createPortableSuite();
  const sodium = loadSodium();
  const candidates = [...(sodium === undefined ? [] : [() => createNativeSuite(sodium)]), createNativeSuite];
  for (const create of candidates) {
    const suite = orUndefined(create);
    if (suite !== undefined && agrees(suite, portable)) return suite;
  }
  return portable;
}

/** A known answer from each primitive that is not shared: a broken build shows here and not in a handshake. */
export function agrees(suite: CryptoSuite, reference: CryptoSuite): boolean {
  return orUndefined(() => sample(suite)) === sample(reference);
}

function sample(suite: CryptoSuite): string {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
  const other = suite.x25519PublicKey(key.map((byte) => byte ^ 0x55));
  const shared = suite.x25519(key, other) ?? new Uint8Array(0);
  const buffer = Uint8Array.from({ length: 100 + 16 }, (_, i) => i);
  const aead = suite.aead(key);
  aead.seal(0xffff_fffe, 0x1234_5678, buffer, 0, 100, key.subarray(0, 7));
  const sealed = buffer.join();
  const opened = aead.open(0xffff_fffe, 0x1234_5678, buffer, 0, 116, key.subarray(0, 7));
  const plain = buffer.subarray(0, 100).join();
  const refused = aead.open(1, 2, buffer, 0, 116);
  aead.destroy();
  const lowOrder = suite.x25519(key, new Uint8Array(32));
  return [other.join(), shared.join(), sealed, opened, plain, refused, lowOrder, suite.equal(key, key)].join(
    ';',
  );
}

function orUndefined<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch {
    return undefined;
  }
}
