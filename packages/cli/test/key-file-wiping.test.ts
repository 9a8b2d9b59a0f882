/** Checks that the text of a key file does not stay in memory. The test records system calls, because nothing else sees
 *  the buffer. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { runImport } from '../src/commands/import.js';
import { CONFIG_LIMIT_BYTES } from '../src/config/toml-document.js';
import { KEY_FILE_LIMIT_BYTES, readKeyFile } from '../src/key-file.js';
import { encodeKey } from '../src/key-text.js';
import { temporaryDirectory } from './temporary-directory.js';

const buffers = vi.hoisted((): Uint8Array[] => []);
const descriptors = vi.hoisted(() => new Set<number>());
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const readSync = (file: number, buffer: Uint8Array, ...place: [number, number, null]): number => {
    buffers.push(buffer);
    return fs.readSync(file, buffer, ...place);
  };
  const openSync: typeof fs.openSync = (...parameters) => {
    const file = fs.openSync(...parameters);
    descriptors.add(file);
    return file;
  };
  const closeSync = (file: number): void => {
    descriptors.delete(file);
    fs.closeSync(file);
  };
  return { ...fs, readSync, openSync, closeSync };
});

const KEY = encodeKey(new Uint8Array(32).fill(9));

it.each<[string, Buffer]>([
  ['a key', Buffer.from(`${KEY}\n`)],
  ['a key in UTF-16', Buffer.from(`\ufeff${KEY}\n`, 'utf16le')],
  ['a key and too much after it', Buffer.from(KEY.padEnd(KEY_FILE_LIMIT_BYTES + 1))],
  ['something else', Buffer.from('hunter2\n')],
])('reading a file with %s leaves no text in memory, and no open file', (_what, text) => {
  const file = path.join(temporaryDirectory(), 'relay.key');
  writeFileSync(file, text, { mode: 0o600 });
  buffers.length = 0;
  try {
    readKeyFile(file);
  } catch {
    // It does not hold a key.
  }
  expect(buffers.length).toBeGreaterThan(0);
  for (const buffer of buffers) expect(buffer.every((byte) => byte === 0)).toBe(true);
  expect(descriptors.size).toBe(0);
});

it('a WireGuard file that is refused for its size leaves no text in memory', async () => {
  const file = path.join(temporaryDirectory(), 'wg0.conf');
  writeFileSync(file, `PrivateKey = ${KEY}\n`.padEnd(CONFIG_LIMIT_BYTES + 1), { mode: 0o600 });
  buffers.length = 0;
  await expect(runImport(file, {})).rejects.toThrow('is larger than');
  expect(buffers.length).toBeGreaterThan(0);
  for (const buffer of buffers) expect(buffer.every((byte) => byte === 0)).toBe(true);
});
