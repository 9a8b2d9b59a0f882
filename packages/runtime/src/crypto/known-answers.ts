/** Checks a suite before it is used, so that a broken build shows here and not in a handshake. */
import type { CryptoSuite } from '@underpass/protocol';

/** Whether every primitive gives the known answers, including to inputs that it must refuse. */
export function givesKnownAnswers(suite: CryptoSuite): boolean {
  try {
    return answersOf(suite) === KNOWN_ANSWERS;
  } catch {
    return false;
  }
}

/** The portable suite's answers, which tests compare with it. Running it at every start would take longer than
 *  everything else here. */
const KNOWN_ANSWERS =
  '246,225,49,189,238,47,63,100,216,56,154,153,95,192,126,192,230,124,17,52,199,40,4,172,235,6,195,104,213,169,110,51,true,false,true,false,false';

/** The answers of a suite to fixed inputs. */
export function answersOf(suite: CryptoSuite): string {
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
  const digest = suite.hash(
    new TextEncoder().encode(answers.map((bytes) => bytes?.join() ?? 'none').join(';')),
  );
  return [...digest, opened, refused, ...equal].join();
}
