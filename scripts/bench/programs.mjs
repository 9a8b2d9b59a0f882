// Starts the programs that are measured, and reads what they use.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { atEnd } from './at-end.mjs';

/** The unit of the times in /proc; it is the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const LONGEST_START_MS = 20_000;
const LONGEST_STOP_MS = 6000;
/** How many lines of a program's output are kept, for the message if it fails. */
const KEPT_LINES = 40;

/** A program on one side of the network. It is killed at the end of the run, if it has not been stopped. */
export class Program {
  #lines = [];
  #waiting = new Set();
  #forget;

  /** @param network  where it runs
   *  @param side  `client` or `relay` */
  constructor(network, side, command, parameters, { env = {}, stdin = 'ignore', ipc = false } = {}) {
    const [file, all] = network.command(side, command, parameters);
    this.child = spawn(file, all, {
      env: { ...process.env, ...env },
      stdio: [stdin, 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])],
    });
    this.name = command;
    this.ended = false;
    this.#forget = atEnd(() => this.child.kill('SIGKILL'));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#handleLine(line));
    }
    this.child.on('error', (error) => this.#handleEnd(error.message));
    this.child.on('exit', (code, signal) => this.#handleEnd(`exit ${signal ?? code}`));
  }

  /** @param read  is given each line, past and future; the first result that is not undefined is the answer */
  line(read) {
    const found = this.#lines.map(read).find((result) => result !== undefined);
    if (found !== undefined) return found;
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${this.name}: ${why}\n${this.#lines.join('\n')}`));
      if (this.ended) return fail('it has ended');
      const timer = setTimeout(fail, LONGEST_START_MS, 'it did not start');
      const waiting = { read, fail, resolve };
      this.#waiting.add(waiting);
      waiting.done = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
    });
  }

  async stop() {
    if (!this.ended) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), LONGEST_STOP_MS);
      await ended;
      clearTimeout(timer);
    }
    this.#forget();
  }

  #handleLine(line) {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    for (const waiting of [...this.#waiting]) {
      const result = waiting.read(line);
      if (result === undefined) continue;
      waiting.done();
      waiting.resolve(result);
    }
  }

  #handleEnd(why) {
    this.ended = true;
    for (const waiting of [...this.#waiting]) {
      waiting.done();
      waiting.fail(why);
    }
  }
}

/** What programs and the processes that they have started use together.
 *  @returns CPU time since they started, user and system, in seconds; memory in RAM, in bytes */
export function usageOf(programs) {
  const usage = { cpuSeconds: 0, residentBytes: 0 };
  for (const { child } of programs) addUsage(child.pid, usage);
  return usage;
}

function addUsage(pid, usage) {
  let stat;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    usage.residentBytes +=
      1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return; // it has ended; its parent has its CPU time now
  }
  // proc(5): the name is in brackets and may contain anything; utime, stime, cutime and cstime are fields 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const times = fields.slice(11, 15).map(Number);
  usage.cpuSeconds += times.reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND;
  for (const child of childrenOf(pid)) addUsage(child, usage);
}

function childrenOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
  } catch {
    return [];
  }
}
