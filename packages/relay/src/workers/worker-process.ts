/** One worker process, as the main process of a relay sees it. */
import type { ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { type SharedSocket, systemTimers } from '@underpass/runtime';
import { Channel, type Handlers } from './channel.js';

/** The descriptors that a worker inherits. */
export const WORKER_PIPE_FD = 3;
export const WORKER_SOCKET_FD = 4;

/** How long a worker may take to close its relay before it is killed. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Starts a process that calls `runWorker`. WORKER_PIPE_FD has to be a pipe, and WORKER_SOCKET_FD a copy of `socketFd`. */
export type SpawnWorker = (socketFd: number) => ChildProcess;

/** How a process ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** Owns one process from its start to its end, and the channel to it. */
export class WorkerProcess {
  readonly channel: Channel;
  readonly ended: Promise<WorkerEnd>;
  readonly #child: ChildProcess;

  constructor(spawn: SpawnWorker, socket: SharedSocket, handlers: Handlers) {
    this.#child = spawn(socket.fd);
    const child = this.#child;
    this.ended = new Promise((resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.channel = new Channel(child.stdio[WORKER_PIPE_FD] as Duplex, handlers, () => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Closes its relay politely, or kills it. */
  async close(): Promise<void> {
    const kill = systemTimers.set(() => this.#child.kill('SIGKILL'), CLOSE_TIMEOUT_MS);
    await this.channel.ask('close').catch(() => {});
    this.channel.close();
    await this.ended;
    systemTimers.clear(kill);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
