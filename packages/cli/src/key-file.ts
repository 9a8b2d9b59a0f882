/** Reads and writes files with a secret key: base64 text that only the owner can read. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { CliError, systemReason } from './cli-error.js';
import { ExitCode } from './exit-code.js';
import { quoteArgument, requireSecret } from './file-trust.js';
import { decodeKeyBytes, encodeKeyBytes, isClamped, KEY_TEXT_BYTES } from './key-text.js';
import { asciiOf } from './text-encoding.js';
import { writeFileWhole } from './write-file.js';

/** A key, its newline and some stray blanks. A larger file does not hold a key. */
export const KEY_FILE_LIMIT_BYTES = 1024;

const NEWLINE = 0x0a;

/** A new preshared key would fit nothing that the other side has. */
const HINT_IF_MISSING = 'check the path, or copy the key from the other side: both need the same one';

/** Reads a preshared or private key without checking which it is, and wipes the buffer that held its text.
 *
 *  The checks of owner and mode apply to the open file (`requireSecret`). Links and pipes work (`--key <(pass show
 *  relay)`).
 *
 *  @param hintIfMissing  what to do if there is no such file; by default, what helps with a preshared key
 *  @throws CliError with `ExitCode.config` if it is unreadable, another user's, open to others, or not a key */
export function readKeyFile(path: string, hintIfMissing = HINT_IF_MISSING): Uint8Array {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    const hint = isMissing(error) ? hintIfMissing : 'check the path, and run as the owner of the file';
    throw keyFileError(`cannot open the key file ${path}: ${systemReason(error)}`, hint, error);
  }
  const buffer = new Uint8Array(KEY_FILE_LIMIT_BYTES + 1);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() && !stats.isFIFO()) {
      throw keyFileError(`${path} is not a file`, 'give the path of a file that holds a key');
    }
    requireSecret(path, stats, 'the key file');
    const length = readUpTo(file, buffer, path);
    const key = length > KEY_FILE_LIMIT_BYTES ? undefined : decodeKeyText(buffer.subarray(0, length));
    if (key === undefined) {
      throw keyFileError(
        `${path} ${length === 0 ? 'is empty' : 'does not hold a key'}`,
        `expected ${KEY_TEXT_BYTES} characters of base64, as underpass keygen prints them`,
      );
    }
    return key;
  } finally {
    buffer.fill(0);
    closeSync(file);
  }
}

/** The same for a file that must hold a private key.
 *  @throws CliError also if it is probably a public key */
export function readPrivateKeyFile(path: string): Uint8Array {
  const key = readKeyFile(path, `make a key with: (umask 077; underpass keygen > ${quoteArgument(path)})`);
  if (isClamped(key)) return key;
  key.fill(0);
  throw keyFileError(
    `${path} does not hold a private key as underpass keygen and wg genkey print it: it may be a public key`,
    'give the file of the private key',
  );
}

/** Writes a new key file with mode 0600.
 *  @throws CliError if the file exists or cannot be written; nothing is left behind */
export function writeKeyFile(path: string, key: Uint8Array): void {
  try {
    writeKeyWhole(path, key);
  } catch (error) {
    throw keyFileError(`cannot write the key file ${path}: ${systemReason(error)}`, '', error);
  }
}

/** The same for callers that say themselves what could not be written. The text of the key never is a string, which
 *  could not be wiped.
 *  @throws the system's error; EEXIST if the file exists and must not be replaced. Nothing is left behind */
export function writeKeyWhole(path: string, key: Uint8Array, { replace = false } = {}): void {
  const line = new Uint8Array(new ArrayBuffer(KEY_TEXT_BYTES + 1));
  const text = encodeKeyBytes(key);
  line.set(text);
  line[KEY_TEXT_BYTES] = NEWLINE;
  try {
    writeFileWhole(path, line, { mode: 0o600, replace });
  } finally {
    text.fill(0);
    line.fill(0);
  }
}

/** Decodes a key whose text may have blanks around it, and may be in UTF-16, as files from other systems are. */
function decodeKeyText(bytes: Uint8Array): Uint8Array | undefined {
  const text = asciiOf(bytes);
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  const key = decodeKeyBytes(text.subarray(start, end));
  text.fill(0);
  return key;
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
    throw keyFileError(
      `cannot read the key file ${path}: ${systemReason(error)}`,
      'check the file and its disk',
      error,
    );
  }
  return length;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function keyFileError(message: string, hint: string, cause?: unknown): CliError {
  return new CliError(ExitCode.config, message, hint, cause === undefined ? undefined : { cause });
}
