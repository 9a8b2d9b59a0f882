/** An endpoint and a socket that only record calls, so that a test sees the driver's own behaviour. */
import {
  type Address,
  type Deadline,
  type EndpointEvent,
  type Peer,
  type Reaction,
  type Stream,
  TransmitBatch,
} from '@underpass/protocol';
import type {
  DatagramListener,
  DatagramSocket,
  DrivenEndpoint,
  DriverHandler,
  Timers,
} from '../src/index.js';

export class FakeEndpoint implements DrivenEndpoint {
  readonly events: EndpointEvent[] = [];
  readonly received: Uint8Array[] = [];
  deadline: Deadline | undefined;
  /** How many more batches pollTransmit fills. */
  toSend = 0;
  timeouts = 0;
  closed = false;
  destroyed = false;

  /** What handleDatagram returns. */
  reaction: Reaction = 'poll';

  handleDatagram(_now: number, datagram: Uint8Array): Reaction {
    this.received.push(datagram);
    return this.reaction;
  }
  handlePassedOn(now: number, datagram: Uint8Array): Reaction {
    return this.handleDatagram(now, datagram);
  }
  handleTooLarge(): void {}
  handleTimeout(): void {
    this.timeouts++;
    this.deadline = undefined;
  }
  pollTransmit(_now: number, batch: TransmitBatch): boolean {
    if (this.toSend === 0) return false;
    this.toSend--;
    batch.to = { address: '192.0.2.1', port: 1 };
    batch.lengthBytes = 10;
    batch.segmentBytes = 10;
    return true;
  }
  pollEvent(): EndpointEvent | undefined {
    return this.events.shift();
  }
  pollTimeout(): Deadline | undefined {
    return this.deadline;
  }
  close(): void {
    this.closed = true;
    this.toSend++;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

export class FakeSocket implements DatagramSocket {
  readonly address: Address = { address: '::', port: 4 };
  readonly kind = 'plain';
  readonly refusesFragmentation = false;
  readonly segments = false;
  readonly coalesces = false;
  readonly mayAnswerFromAnotherAddress = false;
  readonly sendErrors = {};
  free = 4;
  sent = 0;
  closed = false;
  /** False: what is sent stays with the kernel until `free` is raised by the test. */
  instant = true;
  listener: DatagramListener | undefined;

  listen(listener: DatagramListener): void {
    this.listener = listener;
  }
  acquireBatch(): TransmitBatch | undefined {
    if (this.free === 0) return undefined;
    this.free--;
    return new TransmitBatch();
  }
  readonly answers: { readonly bytes: Uint8Array; readonly to: Address }[] = [];
  answer(bytes: Uint8Array, to: Address): void {
    this.answers.push({ bytes, to });
  }
  releaseBatch(): void {
    this.free++;
  }
  send(): void {
    this.sent++;
    if (this.instant) this.free++;
  }
  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

/** A clock that the test advances. */
export class FakeTimers implements Timers {
  now = 0;
  sets = 0;
  readonly #pending = new Map<object, { at: number; callback: () => void }>();

  get pending(): number {
    return this.#pending.size;
  }
  set(callback: () => void, delayMs: number): object {
    const timer = {};
    this.sets++;
    this.#pending.set(timer, { at: this.now + delayMs, callback });
    return timer;
  }
  clear(timer: object): void {
    this.#pending.delete(timer);
  }
  advance(ms: number): void {
    this.now += ms;
    for (const [timer, { at, callback }] of [...this.#pending]) {
      if (at > this.now || !this.#pending.delete(timer)) continue;
      callback();
    }
  }
}

/** Runs deferred turns when the test tells it to. */
export class Turns {
  readonly waiting: (() => void)[] = [];
  readonly defer = (turn: () => void): void => {
    this.waiting.push(turn);
  };
  /** @returns how many turns ran */
  run(limit = 1000): number {
    let count = 0;
    for (; count < limit; count++) {
      const turn = this.waiting.shift();
      if (turn === undefined) break;
      turn();
    }
    return count;
  }
}

export const fakeStream = (): Stream => ({}) as Stream;
export const fakePeer = (): Peer => ({}) as Peer;

export const ignoringHandler: DriverHandler = {
  onConnected: () => {},
  onDisconnected: () => {},
  onStream: () => {},
};
