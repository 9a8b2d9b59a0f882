import { createPortableSuite, HEADER_BYTES, TAG_BYTES } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { type Direction, type MessageWatch, watchedSuite } from '../../src/crypto/watched-suite.js';

const KEY = new Uint8Array(32).fill(7);
const TEXT = Buffer.from('a packet');

/** A message as Keypair lays it out, in the middle of a batch. */
function message(): { readonly buffer: Buffer; readonly offset: number } {
  const buffer = Buffer.alloc(100, 0xee);
  Buffer.from([4, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 5, 0, 0, 0, 0, 0, 0, 0]).copy(buffer, 10);
  TEXT.copy(buffer, 10 + HEADER_BYTES);
  return { buffer, offset: 10 + HEADER_BYTES };
}

function watched(wants: (direction: Direction, index: number) => boolean = () => true) {
  const seen: string[] = [];
  const asked: string[] = [];
  const watch: MessageWatch = {
    wants: (direction, index) => {
      asked.push(`${direction} ${index.toString(16)}`);
      return wants(direction, index);
    },
    onMessage: (direction, bytes) => {
      const payload = Buffer.from(bytes.subarray(HEADER_BYTES, -TAG_BYTES));
      seen.push(`${direction} ${bytes[0]} ${bytes.length} ${payload}`);
    },
  };
  const suite = watchedSuite(createPortableSuite(), watch);
  return { suite, aead: suite.aead(KEY), seen, asked };
}

describe('a watched suite', () => {
  it('shows a message before it is sealed, and after it is opened', () => {
    const { aead, seen, asked } = watched();
    const { buffer, offset } = message();
    aead.seal(0, 5, buffer, offset, TEXT.length);
    expect(buffer.includes(TEXT)).toBe(false);
    expect(aead.open(0, 5, buffer, offset, TEXT.length + TAG_BYTES)).toBe(true);
    expect(asked).toEqual(['sent 44332211', 'received 44332211']);
    expect(seen).toEqual(['sent 4 40 a packet', 'received 4 40 a packet']);
  });

  it('seals as the suite does', () => {
    const [one, other] = [message(), message()];
    watched().aead.seal(0, 5, one.buffer, one.offset, TEXT.length);
    createPortableSuite().aead(KEY).seal(0, 5, other.buffer, other.offset, TEXT.length);
    expect(one.buffer).toEqual(other.buffer);
  });

  it('is the suite itself in everything else, and destroys its keys', () => {
    const { suite, aead } = watched();
    const portable = createPortableSuite();
    expect(new Set(Object.keys(suite))).toEqual(new Set(Object.keys(portable)));
    expect(suite.hash(KEY)).toEqual(portable.hash(KEY));
    aead.destroy();
    const { buffer, offset } = message();
    expect(() => aead.seal(0, 5, buffer, offset, TEXT.length)).toThrow();
  });

  it('shows nothing that is not wanted', () => {
    const { aead, seen } = watched((direction) => direction === 'received');
    const { buffer, offset } = message();
    aead.seal(0, 5, buffer, offset, TEXT.length);
    aead.open(0, 5, buffer, offset, TEXT.length + TAG_BYTES);
    expect(seen).toEqual(['received 4 40 a packet']);
  });

  it('does not show a message that does not authenticate', () => {
    const { aead, asked } = watched();
    const { buffer, offset } = message();
    expect(aead.open(0, 5, buffer, offset, TEXT.length + TAG_BYTES)).toBe(false);
    expect(asked).toEqual([]);
  });

  it('does not show what a handshake seals', () => {
    const { aead, asked } = watched();
    const field = Buffer.alloc(32 + TAG_BYTES);
    aead.seal(0, 0, field, 0, 32, Buffer.from('the hash of a handshake'));
    expect(aead.open(0, 0, field, 0, field.length, Buffer.from('the hash of a handshake'))).toBe(true);
    expect(asked).toEqual([]);
  });
});
