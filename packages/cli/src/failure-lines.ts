/** Turns anything that was thrown into lines for stderr and an exit code. */
import { UnderpassError } from '@underpass/runtime/errors';
import { CliError, ConfigError } from './cli-error.js';
import { ExitCode } from './exit-code.js';
import { VERSION } from './version.js';

export interface Failure {
  readonly exitCode: number;
  /** Without line ends. A config file has one line for each problem; other failures have one line. */
  readonly lines: readonly string[];
}

export function failureOf(error: unknown, environment: NodeJS.ProcessEnv = process.env): Failure {
  const failure = withoutTrace(error);
  const wantsTrace = (environment.UNDERPASS_DEBUG ?? '') !== '';
  if (!wantsTrace || !(error instanceof Error)) return failure;
  return { ...failure, lines: [...failure.lines, ...traceLines(error)] };
}

/** The same lines for the log, where nobody doubts whose they are. */
export function failureTexts(error: unknown, environment?: NodeJS.ProcessEnv): string[] {
  return failureOf(error, environment).lines.map((line) => line.replace(/^underpass: /, ''));
}

function withoutTrace(error: unknown): Failure {
  if (error instanceof ConfigError) return { exitCode: error.exitCode, lines: error.problems };
  if (error instanceof CliError) return { exitCode: error.exitCode, lines: [lineOf(error)] };
  if (error instanceof UnderpassError) {
    const exitCode = error.code === 'invalid-option' ? ExitCode.config : ExitCode.failure;
    return { exitCode, lines: [lineOf(error)] };
  }
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const where = `underpass ${VERSION}, node ${process.version}, ${process.platform} ${process.arch}`;
  const advice = 'this is a bug in underpass: run it again with UNDERPASS_DEBUG=1 and report the output';
  return { exitCode: ExitCode.internal, lines: [`underpass: internal error: ${what} (${where}): ${advice}`] };
}

function lineOf(error: CliError | UnderpassError): string {
  return `underpass: ${error.message}${error.hint === '' ? '' : `: ${error.hint}`}`;
}

function traceLines(error: Error): string[] {
  const lines = (error.stack ?? error.message).split('\n');
  if (error.cause instanceof Error) lines.push('caused by:', ...traceLines(error.cause));
  return lines;
}
