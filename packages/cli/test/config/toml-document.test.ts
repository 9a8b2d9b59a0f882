import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONFIG_LIMIT_BYTES, readTomlDocument } from '../../src/config/toml-document.js';
import { temporaryDirectory } from '../temporary-directory.js';

describe('a config file', () => {
  it('knows its directory, however its path is written', () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'a.toml');
    writeFileSync(file, 'x = 1\n');
    const document = readTomlDocument(path.relative(process.cwd(), file));
    expect(document.directory).toBe(directory);
    expect(document.value).toEqual({ x: 1 });
  });

  it('is refused when it is missing or a directory', () => {
    const directory = temporaryDirectory();
    expect(() => readTomlDocument(path.join(directory, 'a.toml'))).toThrow('no such file');
    expect(() => readTomlDocument(directory)).toThrow('it is a directory');
  });

  it('that is one of WireGuard is refused with the command that reads it', () => {
    const file = path.join(temporaryDirectory(), 'wg0.conf');
    writeFileSync(file, '[Interface]\nAddress = 10.0.0.2/32\n');
    expect(() => readTomlDocument(file)).toThrow('it looks like a WireGuard file: use underpass import');
    writeFileSync(file, 'Address = 10.0.0.2/32\n');
    expect(() => readTomlDocument(file)).not.toThrow('WireGuard');
  });

  it('is refused above the limit and read at the limit', () => {
    const file = path.join(temporaryDirectory(), 'a.toml');
    writeFileSync(file, '#'.repeat(CONFIG_LIMIT_BYTES));
    expect(readTomlDocument(file).value).toEqual({});
    writeFileSync(file, '#'.repeat(CONFIG_LIMIT_BYTES + 1));
    expect(() => readTomlDocument(file)).toThrow('not a config file');
  });
});
