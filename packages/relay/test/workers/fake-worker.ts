/** Worker processes of a relay that the test plays, over the channel that real ones use. */
import { EventEmitter } from 'node:events';
import { Channel } from '../../src/workers/channel.js';
import type { StatusMessage } from '../../src/workers/messages.js';
import { type Pipe, pipes } from './pipes.js';

/** Lets everything happen that messages on their way lead to. */
export const settle = async (): Promise<void> => {
  for (let n = 0; n < 20; n++) await new Promise(setImmediate);
};

/** A process that the test plays. */
export class FakeWorker extends EventEmitter {
  readonly fd: number;
  readonly stdio: readonly unknown[];
  readonly channel: Channel;
  readonly main: Pipe;
  readonly heard: [name: string, body: unknown][] = [];
  readonly kills: unknown[] = [];
  readonly #end: Pipe;
  #hasExited = false;
  status: StatusMessage | undefined;
  /** When it has applied new lists. */
  applied: Promise<void> | undefined;

  constructor(fd: number, behaviour: Behaviour) {
    super();
    this.fd = fd;
    [this.main, this.#end] = pipes();
    this.stdio = [null, null, null, this.main];
    const hear = (name: string, answer: () => unknown) => (body: unknown) => {
      this.heard.push([name, body]);
      return answer();
    };
    const handlers = {
      start: hear('start', () => {
        const startsWell = behaviour.startsWell();
        if (startsWell === 'never') return new Promise(() => undefined);
        return startsWell ? undefined : this.exit(1);
      }),
      'set-peers': hear('set-peers', () => this.applied),
      'add-peer': hear('add-peer', () => undefined),
      datagram: hear('datagram', () => undefined),
      status: () => this.status,
      close: hear('close', () => undefined),
    };
    // A process ends with its pipe.
    this.channel = new Channel(this.#end, handlers, () => behaviour.closesWell() && this.exit(0));
  }

  exit(code: number | null, signal: string | null = null): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    this.#end.destroy();
    this.emit('exit', code, signal);
  }

  kill(signal: unknown): void {
    this.kills.push(signal);
    this.exit(null, 'SIGKILL');
  }

  /** The parameters of all messages of a kind. */
  all<Body>(name: string): Body[] {
    return this.heard.filter(([heard]) => heard === name).map(([, body]) => body as Body);
  }
}

/** What the process does when it is asked to. */
export interface Behaviour {
  startsWell(): boolean | 'never';
  closesWell(): boolean;
}
