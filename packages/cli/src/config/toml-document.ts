/** Reads a TOML file, and finds the line of each key. */
import { closeSync, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { systemCode } from '@underpass/runtime/errors';
import { parse, TomlError } from 'smol-toml';
import { CliError, ConfigError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { requireUnchangedByOthers } from '../file-trust.js';
import { textOf } from '../text-encoding.js';
import { KeyLines, type KeyPath } from './key-lines.js';

/** Enough for thousands of peers. A larger file is not a config. */
export const CONFIG_LIMIT_BYTES = 1024 * 1024;

const WIREGUARD_SECTION = /^\s*\[Interface\]/im;

export interface TomlDocument {
  /** The path as the user gave it, for error messages. */
  readonly file: string;
  /** Where relative paths in the file start. */
  readonly directory: string;
  readonly value: unknown;
  /** The line of a key, for a message about it. The first call scans the whole text, which takes longer than parsing it,
   *  so a file without mistakes is never scanned. */
  lineOf(path: KeyPath): number;
}

/** @throws CliError when the file cannot be read or others can change it, ConfigError when it is not valid TOML */
export function readTomlDocument(file: string): TomlDocument {
  return parseTomlDocument(file, readLimited(file));
}

/** @param file  used in messages, and to find where relative paths start */
export function parseTomlDocument(file: string, text: string): TomlDocument {
  let value: unknown;
  try {
    value = parse(text, { unsafeKeyBehaviour: 'throw', maxDepth: 16 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n', 1)[0]?.replace(/^Invalid TOML document: /, '') ?? '';
    const hint = WIREGUARD_SECTION.test(text) ? ': it looks like a WireGuard file: use underpass import' : '';
    throw new ConfigError([`${file}:${error.line}: not valid TOML (column ${error.column}): ${what}${hint}`]);
  }
  let lines: KeyLines | undefined;
  return {
    file,
    directory: path.dirname(path.resolve(file)),
    value,
    lineOf: (keyPath) => {
      lines ??= new KeyLines(text);
      return lines.lineOf(keyPath);
    },
  };
}

function readLimited(file: string): string {
  try {
    const handle = openSync(file, 'r');
    try {
      const stats = fstatSync(handle);
      if (stats.size > CONFIG_LIMIT_BYTES) {
        throw new ConfigError([`${file}:1: larger than ${CONFIG_LIMIT_BYTES} bytes: not a config file`]);
      }
      if (stats.isFile()) requireUnchangedByOthers(realpathSync(file), stats, 'the config file');
      return textOf(readFileSync(handle));
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      ExitCode.config,
      `cannot read the config file ${file}: ${systemReason(error)}`,
      systemCode(error) === 'EACCES'
        ? 'run as its owner, or give another file with --config'
        : `check the path given with ${file === process.env.UNDERPASS_CONFIG ? 'UNDERPASS_CONFIG' : '--config'}`,
      { cause: error },
    );
  }
}
