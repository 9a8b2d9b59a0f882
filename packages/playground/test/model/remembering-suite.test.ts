import { createPortableSuite } from '@underpass/protocol';
import { describeAead } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import { RememberingSuite } from '../../src/model/remembering-suite.js';

const key = new Uint8Array(32).fill(3);

function seal(suite: RememberingSuite, text: number): Uint8Array {
  const buffer = new Uint8Array(36).fill(text);
  suite.aead(key).seal(0, 5, buffer, 10, 10);
  return buffer;
}

describe('a suite that remembers', () => {
  it('seals and opens as the real one, the first time and again', () => {
    const suite = new RememberingSuite(createPortableSuite(), 1_000_000);
    const sealed = seal(suite, 1);
    expect(seal(suite, 1)).toEqual(sealed);
    for (let round = 0; round < 2; round++) {
      const opened = sealed.slice();
      expect(suite.aead(key).open(0, 5, opened, 10, 26)).toBe(true);
      expect(opened.subarray(10, 20)).toEqual(new Uint8Array(10).fill(1));
    }
    const forged = sealed.slice();
    forged[12] = 0;
    expect(suite.aead(key).open(0, 5, forged, 10, 26)).toBe(false);
  });

  it('does not confuse two plaintexts under one counter', () => {
    const suite = new RememberingSuite(createPortableSuite(), 1_000_000);
    const first = seal(suite, 1);
    const second = seal(suite, 2);
    expect(second).not.toEqual(first);
    expect(seal(suite, 1)).toEqual(first);
  });

  it('forgets when it is full', () => {
    const suite = new RememberingSuite(createPortableSuite(), 1000);
    for (let counter = 0; counter < 50; counter++) {
      suite.aead(key).seal(0, counter, new Uint8Array(36), 0, 20);
      expect(suite.rememberedBytes).toBeLessThanOrEqual(1000);
    }
  });
});

describe('what it seals', () => {
  describeAead(new RememberingSuite(createPortableSuite(), 1_000_000));
});
