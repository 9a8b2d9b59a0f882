import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CliError } from '../src/cli-error.js';
import { ExitCode } from '../src/exit-code.js';
import { KEY_FILE_LIMIT_BYTES, quoteArgument, readKeyFile, writeKeyFile } from '../src/key-file.js';
import { encodeKey } from '../src/key-text.js';
import { temporaryDirectory } from './temporary-directory.js';

const KEY = new Uint8Array(32).fill(9);

/** The error that reading the file gives. */
function refusal(file: string): CliError {
  try {
    readKeyFile(file);
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('the key file was accepted');
}

describe('a key file', () => {
  it('is written with mode 0600 and read back', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeKeyFile(file, KEY);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toBe(`${encodeKey(KEY)}\n`);
    expect(readKeyFile(file)).toEqual(KEY);
  });

  it('is never overwritten', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeKeyFile(file, KEY);
    expect(() => writeKeyFile(file, KEY)).toThrow('it exists already');
  });

  it('may have blanks around the key and mode 0400', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeFileSync(file, ` ${encodeKey(KEY)}\r\n\n`, { mode: 0o400 });
    expect(readKeyFile(file)).toEqual(KEY);
  });

  it.each([0o640, 0o604, 0o660, 0o610, 0o644])('is refused with mode %o and told chmod 600', (mode) => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeKeyFile(file, KEY);
    chmodSync(file, mode);
    const error = refusal(file);
    expect(error.exitCode).toBe(ExitCode.config);
    expect(error.message).toContain(`mode 0${mode.toString(8)}`);
    expect(error.hint).toBe(`run: chmod 600 ${file}`);
  });

  it('is refused when it holds no key, without showing what it holds', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeFileSync(file, 'hunter2\n', { mode: 0o600 });
    const error = refusal(file);
    expect(error.message).toContain('does not hold a key');
    expect(`${error.message}${error.hint}`).not.toContain('hunter2');
  });

  it('is refused when it is larger than the limit, even if a key stands at its start', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeFileSync(file, `${encodeKey(KEY)}\n${' '.repeat(KEY_FILE_LIMIT_BYTES)}`, { mode: 0o600 });
    expect(refusal(file).message).toContain('does not hold a key');
  });

  it('is refused when it is a directory or missing', () => {
    const directory = temporaryDirectory();
    mkdirSync(path.join(directory, 'd'), { mode: 0o700 });
    expect(refusal(path.join(directory, 'd')).message).toContain('is not a file');
    const missing = refusal(path.join(directory, 'none'));
    expect(missing.message).toContain('no such file');
    expect(missing.hint).toContain('underpass keygen');
  });

  it('keeps the reading error as its cause', () => {
    expect(refusal(path.join(temporaryDirectory(), 'none')).cause).toBeInstanceOf(Error);
  });

  it('is quoted for the shell only where it must be', () => {
    expect(quoteArgument('/etc/a-b_c.key')).toBe('/etc/a-b_c.key');
    expect(quoteArgument("it's here")).toBe("'it'\\''s here'");
  });
});
