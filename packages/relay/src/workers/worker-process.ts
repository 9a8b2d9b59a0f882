/** One worker process, as the main process of a relay sees it. */
import type { ChildProcess } from 'node:child_process';
import { Duplex } from 'node:stream';
import { type SharedSocket, systemCode, systemTimers } from '@underpass/runtime';
import { Channel, type Handlers } from './channel.js';
import type { StatusMessage } from './messages.js';

/** The descriptors that a worker inherits. */
export const WORKER_PIPE_FD = 3;
export const WORKER_SOCKET_FD = 4;

/** How long a worker may take to do what it is told. One that takes longer serves nobody, and does not know who has been
 *  removed. */
export const ORDER_TIMEOUT_MS = 30_000;
/** How long a worker may take to close its relay before it is killed. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How long a worker may take to say how it is. A relay asks before it stops, and must stop even if a worker hangs. */
const STATUS_TIMEOUT_MS = 2_000;

/** Starts a process that calls `runWorker`. WORKER_PIPE_FD has to be a pipe, and WORKER_SOCKET_FD a copy of `socketFd`. */
export type SpawnWorker = (socketFd: number) => ChildProcess;

/** How a process ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why the system did not start it at all. */
  readonly error?: string;
  /** The one of these that says most. */
  readonly text: string;
}

/** Owns one process from its start to its end, and the channel to it. One that the system does not start ends at once, and
 *  one that hangs is killed when it is told to do something. */
export class WorkerProcess {
  readonly channel: Channel;
  readonly ended: Promise<WorkerEnd>;
  readonly #child: ChildProcess | undefined;
  /** Why it was killed. */
  #verdict: string | undefined;

  constructor(spawn: SpawnWorker, socket: SharedSocket, handlers: Handlers) {
    let child: ChildProcess | undefined;
    this.ended = new Promise((resolve) => {
      child = start(spawn, socket.fd, (end) => resolve({ ...end, text: this.#verdict ?? end.text }));
    });
    this.#child = child;
    // Without descriptors Node makes no pipes, whatever its types say.
    const pipes = this.#child?.stdio as readonly unknown[] | undefined;
    const pipe = (pipes?.[WORKER_PIPE_FD] ?? new Duplex().destroy()) as Duplex;
    this.channel = new Channel(pipe, handlers, () => {});
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Tells it to do something.
   *  @throws its failure, or that it has ended, if need be because it was killed */
  async order(name: string, body: unknown): Promise<void> {
    const giveUp = systemTimers.set(() => {
      this.#verdict = `it did not do for ${ORDER_TIMEOUT_MS / 1000} s what it was told`;
      this.kill();
    }, ORDER_TIMEOUT_MS);
    try {
      await this.channel.ask(name, body);
    } finally {
      systemTimers.clear(giveUp);
    }
  }

  /** @returns undefined if its relay has not started, or if it ends or does not answer in time */
  status(): Promise<StatusMessage | undefined> {
    return new Promise((resolve) => {
      const giveUp = systemTimers.set(() => resolve(undefined), STATUS_TIMEOUT_MS);
      const answer = this.channel.ask<StatusMessage | undefined>('status').catch(() => undefined);
      void answer.finally(() => systemTimers.clear(giveUp)).then(resolve);
    });
  }

  /** Closes its relay politely, or kills it. */
  async close(): Promise<void> {
    const kill = systemTimers.set(() => this.kill(), CLOSE_TIMEOUT_MS);
    await this.channel.ask('close').catch(() => {});
    this.channel.close();
    await this.ended;
    systemTimers.clear(kill);
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }
}

/** @returns undefined if the system has refused at once; it may also refuse later */
function start(spawn: SpawnWorker, fd: number, onEnd: (end: WorkerEnd) => void): ChildProcess | undefined {
  const onError = (cause: unknown): void => {
    const error = systemCode(cause);
    onEnd({ code: null, signal: null, error, text: error });
  };
  try {
    const child = spawn(fd);
    child.once('error', onError);
    child.once('exit', (code, signal) => onEnd({ code, signal, text: signal ?? `code ${code}` }));
    return child;
  } catch (error) {
    onError(error);
    return undefined;
  }
}
