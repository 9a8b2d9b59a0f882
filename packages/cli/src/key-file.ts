/** Files that hold a secret key: base64 text, readable by their owner and nobody else. */
import { closeSync, fstatSync, openSync, readSync, type Stats, writeSync } from 'node:fs';
import { CliError, systemReason } from './cli-error.js';
import { ExitCode } from './exit-code.js';
import { decodeKeyBytes, encodeKey, KEY_TEXT_BYTES } from './key-text.js';

/** A key and its newline, with room for stray blanks; a larger file is not a key. */
export const KEY_FILE_LIMIT_BYTES = 1024;

/** Reads a private or preshared key and wipes what it read.
 *
 *  The mode is asked of the open file, not of the name, so that nobody can swap it in between. A pipe will do
 *  as well (`--key <(pass show relay)`).
 *
 *  @throws CliError with `ExitCode.config`: unreadable, not the user's own, open to others, or not a key */
export function readKeyFile(path: string): Uint8Array {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    const hint = isMissing(error)
      ? `make a key with: (umask 077; underpass keygen > ${quoteArgument(path)})`
      : '';
    throw keyFileError(`cannot open the key file ${path}: ${systemReason(error)}`, hint, error);
  }
  const buffer = new Uint8Array(KEY_FILE_LIMIT_BYTES + 1);
  try {
    refuseUnlessPrivate(path, fstatSync(file));
    const length = readUpTo(file, buffer, path);
    const key = length > KEY_FILE_LIMIT_BYTES ? undefined : decodeKeyText(buffer.subarray(0, length));
    if (key === undefined) {
      throw keyFileError(
        `${path} does not hold a key`,
        `expected ${KEY_TEXT_BYTES} characters of base64, as underpass keygen prints them`,
      );
    }
    return key;
  } finally {
    buffer.fill(0);
    closeSync(file);
  }
}

/** Writes a new key file with mode 0600.
 *  @throws CliError when the file exists already, or cannot be made */
export function writeKeyFile(path: string, key: Uint8Array): void {
  try {
    const file = openSync(path, 'wx', 0o600);
    try {
      writeSync(file, `${encodeKey(key)}\n`);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw keyFileError(`cannot write the key file ${path}: ${systemReason(error)}`, '', error);
  }
}

/** The key in a text that may have blanks around it, as a file or a pipe has. */
export function decodeKeyText(text: Uint8Array): Uint8Array | undefined {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return decodeKeyBytes(text.subarray(start, end));
}

function refuseUnlessPrivate(path: string, stats: Stats): void {
  if (!stats.isFile() && !stats.isFIFO()) {
    throw keyFileError(`${path} is not a file`, 'give the path of a file that holds a key');
  }
  if (process.platform === 'win32') return; // no mode bits there; the profile directory's ACL protects it
  const user = process.geteuid?.();
  if (user !== undefined && stats.uid !== user) {
    throw keyFileError(
      `the key file ${path} belongs to another user (uid ${stats.uid}, this program runs as ${user})`,
      `run as its owner, or: chown ${user} ${quoteArgument(path)}`,
    );
  }
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
    throw keyFileError(
      `the key file ${path} is open to other users (mode ${mode})`,
      `run: chmod 600 ${quoteArgument(path)}`,
    );
  }
}

function readUpTo(file: number, buffer: Uint8Array, path: string): number {
  let length = 0;
  try {
    while (length < buffer.length) {
      const count = readSync(file, buffer, length, buffer.length - length, null);
      if (count === 0) break;
      length += count;
    }
  } catch (error) {
    throw keyFileError(`cannot read the key file ${path}: ${systemReason(error)}`, '', error);
  }
  return length;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** A path as one would type it in a shell. */
export function quoteArgument(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function keyFileError(message: string, hint: string, cause?: unknown): CliError {
  return new CliError(ExitCode.config, message, hint, cause === undefined ? undefined : { cause });
}
