import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { oneTimeKeys } from '../../src/enrolment/one-time-keys.js';

const secret = new Uint8Array(32).fill(1);
const relay = new Uint8Array(32).fill(2);

/** HKDF as RFC 5869 §2 writes it, for one block of output. */
function hkdf(info: string): Uint8Array {
  const extracted = createHmac('sha256', relay).update(secret).digest();
  return Uint8Array.from(createHmac('sha256', extracted).update(`${info}\u0001`).digest());
}

describe('the one-time keys (spec enrolment 2.1)', () => {
  it('are HKDF outputs with different labels, the private key clamped (spec enrolment 2.1: "MUST derive")', () => {
    const { privateKey, presharedKey } = oneTimeKeys(secret, relay);
    expect(presharedKey).toEqual(hkdf('underpass enrolment 1 preshared key'));
    const clamped = hkdf('underpass enrolment 1 private key');
    clamped[0] = (clamped[0] as number) & 248;
    clamped[31] = ((clamped[31] as number) & 127) | 64;
    expect(privateKey).toEqual(clamped);
  });

  it('are clamped whatever the secret is (RFC 7748 §5)', () => {
    for (let i = 0; i < 64; i++) {
      const { privateKey } = oneTimeKeys(new Uint8Array(32).fill(i), relay);
      const [first, last] = [privateKey[0] as number, privateKey[31] as number];
      expect([first & 7, last & 0xc0]).toEqual([0, 0x40]);
    }
  });

  it('differ for another secret and for another relay', () => {
    const all = [oneTimeKeys(secret, relay), oneTimeKeys(relay, relay), oneTimeKeys(secret, secret)].flatMap(
      ({ privateKey, presharedKey }) => [privateKey, presharedKey],
    );
    expect(new Set(all.map(String)).size).toBe(6);
  });
});
