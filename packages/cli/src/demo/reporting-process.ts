/** Child processes that report events as JSON lines on stderr. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CliError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';

/** One line, as it was reported. */
export type ReportedEvent = Readonly<Record<string, unknown>>;

/** How many events are kept for each process. Older ones are dropped. */
const EVENT_LIMIT = 1_000;
/** How long a process may take to stop after SIGTERM before it is killed. */
const STOP_LIMIT_MS = 4_000;

interface Waiter {
  readonly event: string;
  readonly resolve: (event: ReportedEvent) => void;
  readonly reject: (error: CliError) => void;
}

/** A child process and the events that it has reported.
 *
 *  It owns the process from the constructor to `stop`. The demo waits for one event after another with `event`, which
 *  also finds past ones, so that no report is missed. If the process exits first, the wait fails with an error that
 *  quotes the last line it printed. Any script can follow the relay and the client in the same way. */
export class ReportingProcess {
  /** How messages refer to it, for example `the relay`. */
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #events: ReportedEvent[] = [];
  readonly #waiters = new Set<Waiter>();
  /** The last line that was not an event, or the last error: probably why the process failed. */
  #lastLine = '';
  #ending: string | undefined;

  /** Starts `node` with these arguments. */
  constructor(name: string, nodeArguments: readonly string[]) {
    this.name = name;
    this.#child = spawn(process.execPath, nodeArguments, { stdio: ['ignore', 'ignore', 'pipe'] });
    const { stderr } = this.#child;
    if (stderr !== null) createInterface({ input: stderr }).on('line', (line) => this.#handleLine(line));
    this.#child.on('error', (error) => this.#handleEnd(`could not be started: ${error.message}`));
    this.#child.on('close', (code, signal) =>
      this.#handleEnd(`ended with ${signal ?? `code ${code ?? '?'}`}`),
    );
  }

  /** Resolves with the first event of that name, past or future.
   *  @throws CliError when the process ends, or the time is up, before that event */
  event(event: string, timeoutMs: number): Promise<ReportedEvent> {
    const past = this.#events.find((reported) => reported.event === event);
    if (past !== undefined) return Promise.resolve(past);
    if (this.#ending !== undefined) return Promise.reject(this.#endedBefore(event));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(this.#tooLate(event, timeoutMs))), timeoutMs);
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        finish();
      };
      const waiter: Waiter = {
        event,
        resolve: (reported) => settle(() => resolve(reported)),
        reject: (error) => settle(() => reject(error)),
      };
      this.#waiters.add(waiter);
    });
  }

  /** Sends SIGTERM, and kills the process if it does not stop. Never rejects, even if the process has already ended. */
  async stop(): Promise<void> {
    if (this.#ending !== undefined) return;
    const ended = once(this.#child, 'close');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    this.#child.kill('SIGTERM');
    await ended.catch(() => undefined);
    clearTimeout(timer);
  }

  #handleLine(line: string): void {
    const event = parseEvent(line);
    if (event === undefined) {
      this.#lastLine = line;
      return;
    }
    if (event.level === 'error' && typeof event.msg === 'string') this.#lastLine = event.msg;
    this.#events.push(event);
    if (this.#events.length > EVENT_LIMIT) this.#events.shift();
    for (const waiter of this.#waiters) {
      if (waiter.event === event.event) waiter.resolve(event);
    }
  }

  #handleEnd(ending: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    for (const waiter of this.#waiters) waiter.reject(this.#endedBefore(waiter.event));
  }

  #endedBefore(event: string): CliError {
    const words = this.#lastLine === '' ? '' : `; its last line: ${this.#lastLine}`;
    return new CliError(ExitCode.failure, `${this.name} ${this.#ending ?? ''} before '${event}'${words}`);
  }

  #tooLate(event: string, timeoutMs: number): CliError {
    return new CliError(
      ExitCode.failure,
      `${this.name} did not report '${event}' within ${timeoutMs / 1000} s`,
    );
  }
}

function parseEvent(line: string): ReportedEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
