import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeDirectory } from '../src/make-directory.js';
import { temporaryDirectory } from './temporary-directory.js';

describe('makeDirectory', () => {
  it('creates what is missing, with the mode that was asked for', () => {
    const top = temporaryDirectory();
    makeDirectory(path.join(top, 'a/b/c'), 0o700);
    for (const made of ['a', 'a/b', 'a/b/c']) expect(statSync(path.join(top, made)).mode & 0o777).toBe(0o700);
  });

  it('leaves a directory alone that exists', () => {
    const top = temporaryDirectory();
    mkdirSync(path.join(top, 'a'), { mode: 0o750 });
    makeDirectory(path.join(top, 'a'), 0o700);
    expect(statSync(path.join(top, 'a')).mode & 0o777).toBe(0o750);
  });

  it('says that something else has the name', () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    expect(() => makeDirectory(file)).toThrow('EEXIST');
    expect(() => makeDirectory(path.join(file, 'a'))).toThrow('ENOTDIR');
  });

  it.runIf(process.platform === 'linux')('gives up on a file system that takes no directories', () => {
    expect(() => makeDirectory('/proc/a/b')).toThrow('ENOENT');
  });
});
