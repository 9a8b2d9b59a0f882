import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { CliError } from '../../src/cli-error.js';
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

  it('is refused when others can change it, or replace what a link leads to', () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'a.toml');
    writeFileSync(file, 'x = 1\n');
    chmodSync(file, 0o666);
    expect(() => readTomlDocument(file)).toThrow(`the config file ${file} can be changed by other users`);
    const open = path.join(directory, 'open');
    mkdirSync(open);
    writeFileSync(path.join(open, 'a.toml'), 'x = 1\n', { mode: 0o600 });
    chmodSync(open, 0o777);
    symlinkSync(path.join(open, 'a.toml'), path.join(directory, 'link.toml'));
    expect(() => readTomlDocument(path.join(directory, 'link.toml'))).toThrow(
      `the directory of the config file ${open} can be changed by other users`,
    );
  });

  it('may be a pipe, which nobody else can write to afterwards', () => {
    const pipe = path.join(temporaryDirectory(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    chmodSync(pipe, 0o666);
    const writer = spawn('sh', ['-c', 'echo "x = 1" > "$0"', pipe]);
    expect(readTomlDocument(pipe).value).toEqual({ x: 1 });
    writer.kill();
  });

  it('that cannot be read is named as the user gave it', () => {
    const file = path.join(temporaryDirectory(), 'a.toml');
    const hint = (): unknown => {
      try {
        return readTomlDocument(file);
      } catch (error) {
        return (error as CliError).hint;
      }
    };
    expect(hint()).toBe('check the path given with --config');
    vi.stubEnv('UNDERPASS_CONFIG', file);
    expect(hint()).toBe('check the path given with UNDERPASS_CONFIG');
    vi.unstubAllEnvs();
  });
});
