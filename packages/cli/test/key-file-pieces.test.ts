import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { readKeyFile } from '../src/key-file.js';
import { encodeKey } from '../src/key-text.js';
import { temporaryDirectory } from './temporary-directory.js';

/** How much each read returns at most. */
const PIECE_BYTES = 10;

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const readSync = (file: number, buffer: Uint8Array, offset: number, length: number): number =>
    fs.readSync(file, buffer, offset, Math.min(length, PIECE_BYTES), null);
  return { ...fs, readSync };
});

it('reads a key that arrives in pieces, as it may from a pipe', () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const file = path.join(temporaryDirectory(), 'relay.key');
  writeFileSync(file, `${encodeKey(key)}\n`, { mode: 0o600 });
  expect(readKeyFile(file)).toEqual(key);
});
