import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import type { CryptoSuite } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { EVERY_SUITE } from './every-suite.js';

const KEY_BYTES = 32;
/** Enough of a key to search for. The rest is compared byte by byte, so that the search itself never holds a key. */
const PREFIX_BYTES = 8;
const CHUNK_BYTES = 1 << 20;

/** A byte of the key that a test looks for. Small steps of the seed give keys with different prefixes. */
const keyByte = (seed: number, i: number): number => (((seed + i) * 2654435761) >>> 24) & 0xff;

/** How often this process has the key in memory that it may write to (proc(5)). */
function copiesOfKey(seed: number): number {
  const prefix = Buffer.from(new ArrayBuffer(PREFIX_BYTES)).map((_, i) => keyByte(seed, i));
  const chunk = Buffer.from(new ArrayBuffer(CHUNK_BYTES + KEY_BYTES));
  const memory = openSync('/proc/self/mem', 'r');
  let copies = 0;
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw.p/.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    const end = Number.parseInt(to, 16);
    for (let at = Number.parseInt(from, 16); at < end; at += CHUNK_BYTES) {
      const bytes = readOrNothing(memory, chunk, at, Math.min(chunk.length, end - at));
      const read = chunk.subarray(0, bytes);
      for (let found = read.indexOf(prefix); found >= 0; found = read.indexOf(prefix, found + 1)) {
        let i = PREFIX_BYTES;
        while (i < KEY_BYTES && read[found + i] === keyByte(seed, i)) i++;
        if (i === KEY_BYTES) copies++;
      }
      // The chunk is memory of this process too.
      chunk.fill(0);
    }
  }
  closeSync(memory);
  return copies;
}

/** Some mappings cannot be read, for instance those that have been unmapped since. */
function readOrNothing(memory: number, into: Buffer, at: number, bytes: number): number {
  try {
    return readSync(memory, into, 0, bytes, at);
  } catch {
    return 0;
  }
}

/** Seals and opens once with the key, and wipes everything but the cipher. */
function useKey(suite: CryptoSuite, seed: number) {
  const key = new Uint8Array(new ArrayBuffer(KEY_BYTES)).map((_, i) => keyByte(seed, i));
  const aead = suite.aead(key);
  key.fill(0);
  const packet = new Uint8Array(1350);
  aead.seal(0, 1, packet, 0, 1334);
  aead.open(0, 1, packet, 0, 1350);
  return aead;
}

describe.skipIf(!existsSync('/proc/self/mem')).each(EVERY_SUITE)(
  'after a cipher is destroyed (%s)',
  (_, create) => {
    it('its key is nowhere in the memory of the process', () => {
      const suite = create();
      const aead = useKey(suite, 1);
      expect(copiesOfKey(1)).toBeGreaterThan(0);
      aead.destroy();
      // What the library left on the stack is overwritten by its next call.
      useKey(suite, 2).destroy();
      expect(copiesOfKey(1)).toBe(0);
    });
  },
);
