import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CliError } from '../src/cli-error.js';
import { ExitCode } from '../src/exit-code.js';
import { KEY_FILE_LIMIT_BYTES, readKeyFile, readPrivateKeyFile, writeKeyFile } from '../src/key-file.js';
import { encodeKey, KEY_TEXT_BYTES } from '../src/key-text.js';
import { publicKeyOf } from '../src/public-key.js';
import { temporaryDirectory } from './temporary-directory.js';

const KEY = new Uint8Array(32).fill(9);

/** The error of reading the file. */
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
  it('is written with mode 0600 and can be read back', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeKeyFile(file, KEY);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toBe(`${encodeKey(KEY)}\n`);
    expect(readKeyFile(file)).toEqual(KEY);
  });

  it('is never overwritten', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeKeyFile(file, KEY);
    expect(() => writeKeyFile(file, KEY)).toThrow('it already exists');
  });

  it('may have blanks around the key and mode 0400', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeFileSync(file, ` \t${encodeKey(KEY)}\t\r\n\n`, { mode: 0o400 });
    expect(readKeyFile(file)).toEqual(KEY);
  });

  it.each([0o640, 0o604, 0o660, 0o610, 0o644])(
    'is refused with mode %o, with the advice to use chmod 600',
    (mode) => {
      const file = path.join(temporaryDirectory(), 'relay.key');
      writeKeyFile(file, KEY);
      chmodSync(file, mode);
      const error = refusal(file);
      expect(error.exitCode).toBe(ExitCode.config);
      expect(error.message).toContain(`mode 0${mode.toString(8)}`);
      expect(error.hint).toBe(`run: chmod 600 ${file}`);
    },
  );

  it('is refused when it holds no key, without showing its content', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeFileSync(file, 'hunter2\n', { mode: 0o600 });
    const error = refusal(file);
    expect(error.message).toContain('does not hold a key');
    expect(`${error.message}${error.hint}`).not.toContain('hunter2');
  });

  it('is refused when it is larger than the limit, even if it starts with a key', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeFileSync(file, `${encodeKey(KEY)}\n${' '.repeat(KEY_FILE_LIMIT_BYTES)}`, { mode: 0o600 });
    expect(refusal(file).message).toContain('does not hold a key');
    writeFileSync(file, `${encodeKey(KEY)}${' '.repeat(KEY_FILE_LIMIT_BYTES - KEY_TEXT_BYTES)}`);
    expect(readKeyFile(file)).toEqual(KEY);
    writeFileSync(file, `${encodeKey(KEY)}${' '.repeat(KEY_FILE_LIMIT_BYTES - KEY_TEXT_BYTES + 1)}`);
    expect(refusal(file).message).toContain('does not hold a key');
  });

  it('that cannot be opened for another reason has other advice', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    symlinkSync(file, file);
    expect(refusal(file)).toMatchObject({
      message: `cannot open the key file ${file}: too many symbolic links`,
      hint: 'check the path, and run as the owner of the file',
    });
  });

  it('is refused when it is a directory or missing', () => {
    const directory = temporaryDirectory();
    mkdirSync(path.join(directory, 'd'), { mode: 0o700 });
    expect(refusal(path.join(directory, 'd')).message).toContain('is not a file');
    const missing = refusal(path.join(directory, 'none'));
    expect(missing.message).toContain('no such file');
    expect(missing.hint).toBe('check the path, or copy the key from the other side: both need the same one');
  });

  it('of a private key is refused when it is missing, with the command that makes one', () => {
    const file = path.join(temporaryDirectory(), 'none');
    expect(() => readPrivateKeyFile(file)).toThrow(
      expect.objectContaining({ hint: `make a key with: (umask 077; underpass keygen > ${file})` }),
    );
  });

  it('keeps the reading error as its cause', () => {
    expect(refusal(path.join(temporaryDirectory(), 'none')).cause).toBeInstanceOf(Error);
  });

  it('is refused when it belongs to another user, even to root', (context) => {
    if (process.geteuid?.() !== 0) return context.skip('needs root, for chown');
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeKeyFile(file, KEY);
    chownSync(file, 4711, 0);
    const error = refusal(file);
    expect(error.exitCode).toBe(ExitCode.config);
    expect(error.message).toContain('belongs to another user (uid 4711, this program runs as 0)');
    expect(error.hint).toContain('chown 0 ');
  });

  it.each<[string, (text: string) => Buffer]>([
    ['UTF-8 with a byte order mark', (text) => Buffer.from(`\ufeff${text}`, 'utf8')],
    ['UTF-16 as PowerShell writes it', (text) => Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-16 with the other byte order', (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16()],
  ])('may be in %s', (_encoding, encode) => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeFileSync(file, encode(`${encodeKey(KEY)}\r\n`), { mode: 0o600 });
    expect(readKeyFile(file)).toEqual(KEY);
  });

  it('is refused when it holds UTF-16 characters whose low bytes look like a key', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    const bytes = Buffer.from(`\ufeff${encodeKey(KEY)}`, 'utf16le');
    bytes[3] = 0x30;
    writeFileSync(file, bytes, { mode: 0o600 });
    expect(refusal(file).message).toContain('does not hold a key');
  });

  it('that is empty is refused as empty', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeFileSync(file, '', { mode: 0o600 });
    expect(refusal(file).message).toContain('is empty');
  });

  it('of a private key is refused when it holds a public one', () => {
    const file = path.join(temporaryDirectory(), 'relay.key');
    writeKeyFile(file, publicKeyOf(KEY));
    expect(() => readPrivateKeyFile(file)).toThrow('it may be a public key');
    expect(readKeyFile(file)).toEqual(publicKeyOf(KEY));
  });
});
