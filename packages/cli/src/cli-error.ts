/** Expected failures of the command line. They and the packages' `UnderpassError` become a line on stderr; anything
 *  else that reaches `main` is a bug. */
import { ExitCode } from './exit-code.js';

/** An expected failure, with everything that its line on stderr needs. */
export class CliError extends Error {
  override name = 'CliError';
  readonly exitCode: ExitCode;
  /** What to do about it. Empty when the message already says it. */
  readonly hint: string;

  /** @param message  what happened and why, as the start of a sentence, without a full stop */
  constructor(exitCode: ExitCode, message: string, hint = '', options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** A mistake on the command line that the argument parser cannot detect. */
export function usageError(message: string, hint = ''): CliError {
  return new CliError(ExitCode.usage, message, hint);
}

/** Everything that is wrong with a config file, one line for each problem, so that one run shows all of them. */
export class ConfigError extends CliError {
  override name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(ExitCode.config, problems.join('\n'));
    this.problems = problems;
  }
}

/** The operating system's reason in words, for example 'no such file or directory' for `ENOENT`. */
export function systemReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words = SYSTEM_REASONS[code];
  if (words !== undefined) return words;
  return code !== '' ? code : error instanceof Error ? error.message : String(error);
}

const SYSTEM_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'it is a directory',
  ENOTDIR: 'it is not a directory, or something above it is not',
  EEXIST: 'it already exists',
  ELOOP: 'too many symbolic links',
  ENOSPC: 'no space left',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on this machine',
  EDQUOT: 'the quota is used up',
  EFBIG: 'the file has reached its size limit',
  EIO: 'input/output error',
  EPIPE: 'the reader has gone away',
  EAGAIN: 'the reader is too slow',
};
