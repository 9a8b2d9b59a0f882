/** Connects to the first of some checked addresses that answers (spec forwarding 2.4). */
import { connect, type Socket } from 'node:net';
import type { RequestStatus } from '@underpass/protocol';
import { systemCode, type Timers } from '@underpass/runtime';

export interface DialOptions {
  /** IP literals, at least one, each of them permitted. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** For all of them together. */
  readonly timeoutMs: number;
  readonly timers: Timers;
  readonly now: () => number;
  readonly connectTcp?: ConnectTcp;
}

export type ConnectTcp = (address: string, port: number) => Socket;

export type DialOutcome =
  | { readonly ok: true; readonly socket: Socket; readonly address: string }
  | { readonly ok: false; readonly status: RequestStatus };

/** Calls `done` once, later, unless it is called off first.
 *  @returns calls it off */
export function dial(options: DialOptions, done: (outcome: DialOutcome) => void): () => void {
  const { addresses, port, timers, now, connectTcp = connectByNumber } = options;
  const end = now() + options.timeoutMs;
  let next = 0;
  let socket: Socket | undefined;
  let timer: object | undefined;

  const stop = (): void => {
    if (timer !== undefined) timers.clear(timer);
    timer = undefined;
    socket?.removeAllListeners();
    socket?.on('error', () => {});
    socket?.destroy();
    socket = undefined;
  };
  const fail = (status: RequestStatus): void => {
    stop();
    if (next < addresses.length && now() < end) attempt();
    else done({ ok: false, status });
  };
  const attempt = (): void => {
    // What is left of the time is shared out, so that an address that swallows everything leaves some for the others.
    const share = (end - now()) / (addresses.length - next);
    const address = addresses[next++] as string;
    timer = timers.set(() => fail('timed-out'), share);
    const connecting = connectTcp(address, port);
    socket = connecting;
    connecting.once('error', (error) => fail(statusOf(error)));
    connecting.once('connect', () => {
      if (timer !== undefined) timers.clear(timer);
      timer = undefined;
      socket = undefined;
      connecting.removeAllListeners('error');
      done({ ok: true, socket: connecting, address });
    });
  };
  attempt();
  return stop;
}

function connectByNumber(address: string, port: number): Socket {
  return connect({ host: address, port, allowHalfOpen: true, autoSelectFamily: false });
}

function statusOf(error: unknown): RequestStatus {
  switch (systemCode(error)) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return 'connection-refused';
    case 'ETIMEDOUT':
      return 'timed-out';
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOBUFS':
    case 'ENOMEM':
      return 'internal-error';
    default:
      return 'unreachable';
  }
}
