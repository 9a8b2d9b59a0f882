/** Runs the built `underpass` as a user would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { DEADLINE_MS, startDeadline } from './deadline.js';
import { temporaryDirectory } from './temporary-directory.js';

export const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/underpass.js', import.meta.url));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type LogEvent = Readonly<Record<string, unknown>>;

interface Waiter {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
}

/** One process, with the events that it logs as JSON lines on stderr, its other output and its exit code.
 *
 *  Tests wait for conditions on these, always with a deadline and never for a fixed time. The process is killed when
 *  the test ends, if it still runs. */
export class RunningProgram {
  readonly child: ChildProcess;
  readonly events: LogEvent[] = [];
  /** Lines on stderr that are not JSON: errors and warnings for people. */
  readonly plainLines: string[] = [];
  /** Has the control sockets of this test's programs, and of no others, such as a relay that this user really runs. */
  readonly runtimeDirectory: string;
  stdout = '';
  exit: Exit | undefined;
  readonly #waiters = new Set<Waiter>();

  constructor(command: string, commandArguments: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.runtimeDirectory = runtimeDirectory();
    const own = { XDG_RUNTIME_DIR: this.runtimeDirectory, XDG_STATE_HOME: this.runtimeDirectory };
    const env = { ...process.env, ...own, ...environment };
    this.child = spawn(command, commandArguments, { env });
    onTestFinished(() => void this.child.kill('SIGKILL'));
    const { stdout, stderr } = this.child;
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    if (stderr !== null) createInterface({ input: stderr }).on('line', (line) => this.#handleLine(line));
    this.child.on('error', (error) => this.plainLines.push(String(error)));
    this.child.on('close', (code, signal) => {
      this.exit = { code, signal };
      this.#wake();
    });
  }

  /** Resolves with the first event of that name, past or future.
   *  @param since  the position in `events` at which to start */
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

  /** Waits for a condition that depends only on the output and the exit of this process. */
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
      const timer = startDeadline(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`waited ${deadlineMs} ms for ${what}\n${this.transcript()}`));
      }, deadlineMs);
      this.#waiters.add(waiter);
    });
  }

  /** All output of the process, for the message of a failing test. */
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

let ofThisTest: string | undefined;

/** Where the control sockets of this test's programs are. */
function runtimeDirectory(): string {
  if (ofThisTest === undefined) {
    ofThisTest = temporaryDirectory();
    onTestFinished(() => {
      ofThisTest = undefined;
    });
  }
  return ofThisTest;
}

/** Starts `underpass …`. */
export function startUnderpass(
  commandArguments: readonly string[],
  environment?: NodeJS.ProcessEnv,
): RunningProgram {
  return new RunningProgram(process.execPath, [PROGRAM, ...commandArguments], environment);
}

/** Runs `underpass …` with the given stdin until it exits. */
export async function runUnderpass(
  commandArguments: readonly string[],
  options: { readonly stdin?: string; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly lines: readonly string[] }> {
  const program = startUnderpass(commandArguments, options.environment);
  program.child.stdin?.on('error', () => undefined); // it may exit without reading
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
