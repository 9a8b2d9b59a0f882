/** Chooses the fastest suite that works on this machine. */
import { type CryptoSuite, createPortableSuite } from '@underpass/protocol';
import { createNativeSuite } from './native.js';
import { loadSodium } from './sodium.js';

/** Returns the first candidate that gives the known answers, or the portable suite, which needs nothing from the
 *  machine. The suite's name says which one it is.
 *
 *  @param candidates  fastest first; one that throws is skipped */
export function chooseSuite(candidates: readonly (() => CryptoSuite)[] = fastestFirst()): CryptoSuite {
  const portable = createPortableSuite();
  for (const create of candidates) {
    const suite = orUndefined(create);
    if (suite !== undefined && agrees(suite, portable)) return suite;
  }
  return portable;
}

function fastestFirst(): (() => CryptoSuite)[] {
  const sodium = loadSodium();
  const native = () => createNativeSuite();
  return sodium === undefined ? [native] : [() => createNativeSuite(sodium), native];
}

/** Whether every primitive gives the same answers, so that a broken build shows here and not in a handshake. */
function agrees(suite: CryptoSuite, reference: CryptoSuite): boolean {
  return orUndefined(() => sample(suite)) === sample(reference);
}

/** The answers of a suite to fixed inputs, including some that it must refuse. */
function sample(suite: CryptoSuite): string {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
  const additional = key.subarray(0, 7);
  const publicKey = suite.x25519PublicKey(key.map((byte) => byte ^ 0x55));
  const nonce = key.subarray(0, 24);
  const answers: (Uint8Array | undefined)[] = [
    publicKey,
    suite.x25519(key, publicKey),
    suite.x25519(key, new Uint8Array(32)),
    suite.hash(key, additional),
    suite.hmac(key, additional),
    suite.mac(key, additional),
    suite.xaeadSeal(key, nonce, key, additional),
    suite.xaeadOpen(key, nonce, key, additional),
  ];
  const buffer = Uint8Array.from({ length: 100 + 16 }, (_, i) => i);
  const aead = suite.aead(key);
  aead.seal(0xffff_fffe, 0x1234_5678, buffer, 0, 100, additional);
  answers.push(buffer.slice());
  const opened = aead.open(0xffff_fffe, 0x1234_5678, buffer, 0, 116, additional);
  answers.push(buffer.slice(0, 100));
  const refused = aead.open(1, 2, buffer, 0, 116);
  aead.destroy();
  const equal = [suite.equal(key, key.slice()), suite.equal(key, nonce), suite.equal(key, publicKey)];
  return [...answers.map((bytes) => bytes?.join() ?? 'none'), opened, refused, ...equal].join(';');
}

function orUndefined<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch {
    return undefined;
  }
}
