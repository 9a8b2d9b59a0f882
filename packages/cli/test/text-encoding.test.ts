/** Text as other systems save it. */
import { describe, expect, it } from 'vitest';
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

it.each<[string, Uint8Array]>([
  ['UTF-8', new Uint8Array(Buffer.from('é漢'))],
  ['UTF-8 with a mark', new Uint8Array(Buffer.from('\ufeffé漢'))],
  ['UTF-16 of Windows', utf16('é漢', true)],
  ['UTF-16 the other way round', utf16('é漢', false)],
])('the characters of a text in %s have no mark before them', (_, bytes) => {
  expect(textOf(bytes)).toBe('é漢');
});
