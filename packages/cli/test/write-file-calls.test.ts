/** Checks what writing a file does besides the file: the order in which it reaches the disk, what is closed, and what is
 *  left in memory. The tests record system calls, because nothing else sees them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { writeKeyFile } from '../src/key-file.js';
import { writeFileWhole } from '../src/write-file.js';
import { temporaryDirectory } from './temporary-directory.js';

const stage = vi.hoisted(() => ({
  calls: [] as string[],
  written: [] as Uint8Array[],
  /** The call that fails, or `last` and the one that fails after the file has its name. */
  fails: '',
  /** The name of its error. */
  code: 'EIO',
}));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const recorded =
    <Parameters extends unknown[], Result>(name: string, call: (...parameters: Parameters) => Result) =>
    (...parameters: Parameters): Result => {
      stage.calls.push(name);
      const isLast = name === stage.fails.slice(5) && stage.calls.includes('unlink');
      if (stage.fails === name || isLast) throw Object.assign(new Error(name), { code: stage.code });
      return call(...parameters);
    };
  return {
    ...fs,
    openSync: recorded('open', fs.openSync),
    fsyncSync: recorded('fsync', fs.fsyncSync),
    closeSync: recorded('close', fs.closeSync),
    linkSync: recorded('link', fs.linkSync),
    renameSync: recorded('rename', fs.renameSync),
    unlinkSync: recorded('unlink', fs.unlinkSync),
    writeSync: recorded('write', (file: number, bytes: Uint8Array, offset: number) => {
      stage.written.push(bytes);
      // A system may take less than it is given.
      return fs.writeSync(file, bytes, offset, Math.min(20, bytes.length - offset));
    }),
  };
});

beforeEach(() => {
  stage.calls.length = 0;
  stage.written.length = 0;
  stage.fails = '';
  stage.code = 'EIO';
});

it.each([
  ['a new file', false, 'link'],
  ['a file in the place of another', true, 'rename'],
])('%s is on the disk before its name is, and the name when the call returns', (_what, replace, naming) => {
  const directory = temporaryDirectory();
  writeFileWhole(path.join(directory, 'relay.toml'), 'x'.repeat(30), { mode: 0o600, replace });
  const [ofFile, ofName] = [
    ['open', 'write', 'write', 'fsync', 'close'],
    ['open', 'fsync', 'close'],
  ];
  expect(stage.calls).toEqual([...ofFile, naming, 'unlink', ...ofName]);
  expect(readdirSync(directory)).toEqual(['relay.toml']);
});

it.each(['write', 'fsync', 'link'])(
  'if %s fails, nothing is left: no file, no descriptor, no text of a key',
  (call) => {
    const directory = temporaryDirectory();
    stage.fails = call;
    const key = new Uint8Array(32).fill(9);
    expect(() => writeKeyFile(path.join(directory, 'relay.key'), key)).toThrow('cannot write');
    const count = (name: string) => stage.calls.filter((other) => other === name).length;
    expect([count('close'), readdirSync(directory)]).toEqual([count('open'), []]);
    for (const bytes of stage.written) expect(bytes.every((byte) => byte === 0)).toBe(true);
  },
);

it('a file system that cannot flush a directory is good enough', () => {
  const directory = temporaryDirectory();
  stage.fails = 'last fsync';
  writeFileWhole(path.join(directory, 'a'), 'a', { mode: 0o600 });
  expect([readdirSync(directory), stage.calls.slice(-3)]).toEqual([['a'], ['open', 'fsync', 'close']]);
});

it('writing a key file leaves no text in memory', () => {
  writeKeyFile(path.join(temporaryDirectory(), 'relay.key'), new Uint8Array(32).fill(9));
  expect(stage.written.length).toBeGreaterThan(0);
  for (const bytes of stage.written) expect(bytes.every((byte) => byte === 0)).toBe(true);
});

it.each(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])(
  'a file system without links (%s) has new files all the same, and none is replaced',
  (code) => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'relay.key');
    Object.assign(stage, { fails: 'link', code });
    writeFileWhole(file, 'first', { mode: 0o600 });
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['first', 0o600]);
    expect(() => writeFileWhole(file, 'second', { mode: 0o600 })).toThrow('EEXIST');
    expect([readFileSync(file, 'utf8'), readdirSync(directory)]).toEqual(['first', ['relay.key']]);
    const count = (name: string) => stage.calls.filter((call) => call === name).length;
    expect(count('close')).toBeGreaterThan(3);
  },
);
