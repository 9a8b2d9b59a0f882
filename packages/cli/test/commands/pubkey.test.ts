import { describe, expect, it } from 'vitest';
import { privateKeyIn, readKeyText } from '../../src/commands/pubkey.js';
import { KEY_FILE_LIMIT_BYTES } from '../../src/key-file.js';

const KEY = Buffer.alloc(32, 7);
const LINE = `${KEY.toString('base64')}\n`;

/** A pipe that delivers its bytes in pieces, which are remembered. */
async function* pieces(
  text: string,
  pieceBytes: number,
  seen: Uint8Array[] = [],
): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = Uint8Array.from(bytes.subarray(at, at + pieceBytes));
    seen.push(piece);
    yield piece;
  }
}

describe('a private key on stdin', () => {
  it.each([1, 7, 44, 45, 64])('is read in pieces of %i bytes, which are wiped', async (pieceBytes) => {
    const seen: Uint8Array[] = [];
    const text = await readKeyText(pieces(LINE, pieceBytes, seen));
    expect(Buffer.from(privateKeyIn(text))).toEqual(KEY);
    expect([...seen, text].every((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  });

  it.each([1, 300, KEY_FILE_LIMIT_BYTES, 2 * KEY_FILE_LIMIT_BYTES])(
    'is refused with more after it than any key has, in pieces of %i bytes',
    async (pieceBytes) => {
      const seen: Uint8Array[] = [];
      const text = LINE.padEnd(KEY_FILE_LIMIT_BYTES + 500);
      await expect(readKeyText(pieces(text, pieceBytes, seen))).rejects.toThrow('stdin has more than a key');
      expect(seen.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
    },
  );

  it('may have blanks after it, up to the limit', async () => {
    const text = await readKeyText(pieces(LINE.padEnd(KEY_FILE_LIMIT_BYTES), 100));
    expect(Buffer.from(privateKeyIn(text))).toEqual(KEY);
  });

  it('may have any blanks after it that wg pubkey takes, and no other byte', () => {
    const line = (last: number) => Buffer.concat([Buffer.from(LINE), Buffer.of(last)]);
    const taken = Array.from({ length: 128 }, (_, byte) => byte).filter((byte) => {
      try {
        return Buffer.from(privateKeyIn(line(byte))).equals(KEY);
      } catch {
        return false;
      }
    });
    expect(taken).toEqual([0, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20]);
  });

  it.each([
    ['', 'stdin is empty'],
    ['not a key\n', 'stdin is not a private key'],
    [`${LINE.slice(0, 42)}\n`, 'stdin is not a private key'],
    [`${LINE}x`, 'stdin has more than a key'],
  ])('is refused as %j, with what was expected', (text, message) => {
    let thrown: unknown;
    try {
      privateKeyIn(Buffer.from(text));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      exitCode: 3,
      message,
      hint: 'expected 44 characters of base64 and a line end, as underpass keygen prints them',
    });
  });
});
