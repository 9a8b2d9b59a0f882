/** Runs the built `underpass` as a user would: a process of its own, JSON lines on its stderr, and exit codes.
 *  Everything that waits, waits for a condition with a deadline. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/underpass.js', import.meta.url));

/** Long enough for a loaded machine; nothing ever waits that long when all is well. */
export const DEADLINE_MS = 30_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type LogEvent = Readonly<Record<string, unknown>>;

interface Waiter {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
}

/** One process, killed at the end of the test if it is still there. */
export class RunningProgram {
  readonly child: ChildProcess;
  readonly events: LogEvent[] = [];
  /** Lines on stderr that are no JSON: errors and warnings for people. */
  readonly plainLines: string[] = [];
  stdout = '';
  exit: Exit | undefined;
  readonly #waiters = new Set<Waiter>();

  constructor(command: string, commandArguments: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.child = spawn(command, commandArguments, { env: { ...process.env, ...environment } });
    onTestFinished(() => void this.child.kill('SIGKILL'));
    const { stdout, stderr } = this.child;
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    if (stderr !== null) createInterface({ input: stderr }).on('line', (line) => this.#handleLine(line));
    this.child.on('error', (error) => this.plainLines.push(String(error)));
    this.child.on('close', (code, signal) => {
      this.exit = { code, signal };
      this.#wake();
    });
  }

  /** The first event of that name, past or future.
   *  @param since  only events from this position of `events` on */
  async event(
    name: string,
    matches: (event: LogEvent) => boolean = () => true,
    since = 0,
  ): Promise<LogEvent> {
    const find = (): LogEvent | undefined =>
      this.events.slice(since).find((event) => event.event === name && matches(event));
    await this.until(() => find() !== undefined || this.exit !== undefined, `event '${name}'`);
    const found = find();
    if (found === undefined) throw new Error(`ended before event '${name}'\n${this.transcript()}`);
    return found;
  }

  async ended(deadlineMs = DEADLINE_MS): Promise<Exit> {
    await this.until(() => this.exit !== undefined, 'the end of the process', deadlineMs);
    return this.exit ?? { code: null, signal: null };
  }

  /** Waits for a condition that only this process's output or end can change. */
  async until(isMet: () => boolean, what: string, deadlineMs = DEADLINE_MS): Promise<void> {
    if (isMet()) return;
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        isMet,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`waited ${deadlineMs} ms for ${what}\n${this.transcript()}`));
      }, deadlineMs);
      this.#waiters.add(waiter);
    });
  }

  /** What the process printed, for the message of a failing test. */
  transcript(): string {
    return [...this.plainLines, ...this.events.map((event) => JSON.stringify(event)), this.stdout].join('\n');
  }

  #handleLine(line: string): void {
    const event = parseLine(line);
    if (event === undefined) this.plainLines.push(line);
    else this.events.push(event);
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.isMet()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}

/** `underpass …`, running. */
export function startUnderpass(
  commandArguments: readonly string[],
  environment?: NodeJS.ProcessEnv,
): RunningProgram {
  return new RunningProgram(process.execPath, [PROGRAM, ...commandArguments], environment);
}

/** `underpass …` with all of stdin at once, until it ends. */
export async function runUnderpass(
  commandArguments: readonly string[],
  options: { readonly stdin?: string; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly lines: readonly string[] }> {
  const program = startUnderpass(commandArguments, options.environment);
  program.child.stdin?.on('error', () => undefined); // it may end without reading
  program.child.stdin?.end(options.stdin ?? '');
  const { code } = await program.ended();
  return { code, stdout: program.stdout, lines: program.plainLines };
}

function parseLine(line: string): LogEvent | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogEvent;
  } catch {
    return undefined;
  }
}
