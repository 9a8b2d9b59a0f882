/** Looks for a key in the memory of this process, or of one that it has started. Only Linux lets it read that. */
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A byte of the key by its index. Whoever looks for a key must not hold it. */
export type KeyBytes = (index: number) => number;

export const canSearchMemory = existsSync('/proc/self/mem');

const KEY_BYTES = 32;
/** Enough of a key to search for. The rest is compared byte by byte, so that the search itself never holds a key. */
const PREFIX_BYTES = 8;
const CHUNK_BYTES = 1 << 20;
const MASK = 0x5a;

/** How often a process has the key, or its text, in memory that it may write to.
 *  @param length  how many bytes it has, at least 8 */
export function copiesInMemory(
  keyByte: KeyBytes,
  length = KEY_BYTES,
  process: number | 'self' = 'self',
): number {
  return placesInMemory(keyByte, length, process).length;
}

/** Where it is: the line of the mapping (proc(5)), and how far from the end of the mapping. */
export function placesInMemory(
  keyByte: KeyBytes,
  length = KEY_BYTES,
  process: number | 'self' = 'self',
): string[] {
  const prefix = Buffer.from(new ArrayBuffer(PREFIX_BYTES)).map((_, i) => keyByte(i));
  const chunk = Buffer.from(new ArrayBuffer(CHUNK_BYTES + length));
  const memory = openSync(`/proc/${process}/mem`, 'r');
  const places: string[] = [];
  for (const line of readFileSync(`/proc/${process}/maps`, 'latin1').split('\n')) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw.p/.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    const end = Number.parseInt(to, 16);
    for (let at = Number.parseInt(from, 16); at < end; at += CHUNK_BYTES) {
      const bytes = readOrNothing(memory, chunk, at, Math.min(chunk.length, end - at));
      const read = chunk.subarray(0, bytes);
      for (let found = read.indexOf(prefix); found >= 0; found = read.indexOf(prefix, found + 1)) {
        let i = PREFIX_BYTES;
        while (i < length && read[found + i] === keyByte(i)) i++;
        if (i === length) places.push(`${line}, ${end - at - found} bytes before the end`);
      }
      // The chunk is memory of this process too.
      chunk.fill(0);
    }
  }
  closeSync(memory);
  return places;
}

/** Remembers a key in another form, so that it can be looked for after it has been wiped. */
export function keyToLookFor(key: Uint8Array): KeyBytes {
  const masked = Array.from(key, (byte) => byte ^ MASK);
  return (index) => (masked[index] as number) ^ MASK;
}

/** Moves everything young in V8's heap, as V8 may do at any time. What is moved leaves its bytes behind, so a key there
 *  can no longer be wiped. */
export const moveYoungObjects = exposedCollector();

function exposedCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void;
  setFlagsFromString('--no-expose-gc');
  return () => collect({ type: 'minor' });
}

/** Some mappings cannot be read, for instance those that have been unmapped since. */
function readOrNothing(memory: number, into: Buffer, at: number, bytes: number): number {
  try {
    return readSync(memory, into, 0, bytes, at);
  } catch {
    return 0;
  }
}
