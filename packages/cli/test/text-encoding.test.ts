/** Text as other systems save it. */
import { randomFillSync } from 'node:crypto';
import { canSearchMemory, copiesInMemory, keyToLookFor, moveYoungObjects } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import { KEY_TEXT_BYTES } from '../src/key-text.js';
import { asciiOf, textOf } from '../src/text-encoding.js';

const utf16 = (text: string, isLittleEndian: boolean) => {
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
  return new Uint8Array(isLittleEndian ? bytes : bytes.swap16());
};

describe('the ASCII bytes of a text', () => {
  const ascii = (bytes: Uint8Array) => Buffer.from(asciiOf(bytes)).toString('latin1');

  it.each<[string, Uint8Array, string]>([
    ['of UTF-8', Buffer.from('key='), 'key='],
    ['of UTF-8 with a mark', Buffer.from('\ufeffkey='), 'key='],
    ['of UTF-16 of Windows', utf16('key=', true), 'key='],
    ['of UTF-16 the other way round', utf16('key=', false), 'key='],
    ['with other characters', utf16('kéy漢=', true), 'ké'.replace('é', '\u00e9').concat('y\u00ff=')],
    ['with half a character at its end', utf16('key', true).slice(0, -1), 'ke'],
    ['that is empty', new Uint8Array(), ''],
    ['that is only a mark', utf16('', false), ''],
    ['that only begins like a mark', Uint8Array.of(0xff, 0x41), '\u00ffA'],
    ['that begins like a mark of UTF-8', Uint8Array.of(0xef, 0xbb, 0x41), '\u00ef\u00bbA'],
  ])('are found %s', (_, bytes, expected) => {
    expect(ascii(bytes)).toBe(expected);
  });

  it('are a view where that is possible; otherwise the text is wiped, because it may be a key', () => {
    const plain = new Uint8Array(Buffer.from('\ufeffkey'));
    expect(asciiOf(plain).buffer).toBe(plain.buffer);
    for (const isLittleEndian of [true, false]) {
      const wide = utf16('key', isLittleEndian);
      asciiOf(wide);
      expect(wide.every((byte) => byte === 0)).toBe(true);
    }
  });
});

it.skipIf(!canSearchMemory)('the ASCII bytes of a key in UTF-16 can be wiped', () => {
  const wide = new Uint8Array(new ArrayBuffer(2 + 2 * KEY_TEXT_BYTES));
  const text = wide.subarray(2, 2 + KEY_TEXT_BYTES);
  randomFillSync(text);
  const sought = keyToLookFor(text);
  for (let i = KEY_TEXT_BYTES - 1; i >= 0; i--) wide.set([text[i] as number, 0], 2 + 2 * i);
  wide.set([0xff, 0xfe]);
  const ascii = asciiOf(wide);
  moveYoungObjects();
  expect(copiesInMemory(sought, KEY_TEXT_BYTES)).toBeGreaterThan(0);
  ascii.fill(0);
  expect(copiesInMemory(sought, KEY_TEXT_BYTES)).toBe(0);
});

it.each<[string, Uint8Array]>([
  ['UTF-8', new Uint8Array(Buffer.from('é漢'))],
  ['UTF-8 with a mark', new Uint8Array(Buffer.from('\ufeffé漢'))],
  ['UTF-16 of Windows', utf16('é漢', true)],
  ['UTF-16 the other way round', utf16('é漢', false)],
])('the characters of a text in %s have no mark before them', (_, bytes) => {
  expect(textOf(bytes)).toBe('é漢');
});
