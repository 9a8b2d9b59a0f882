/** Connects to the first of several permitted addresses that answers (spec forwarding 2.4; RFC 8305 §5, "Happy
 *  Eyeballs").
 *
 *  The first address is tried at once. If it fails, or has not connected after 250 ms, the next one is tried as well,
 *  without waiting for the first. The first connection wins and the others are closed. So an address that never
 *  answers, typically IPv6 on a network without working IPv6, costs a quarter of a second. */

import { connect, type Socket } from 'node:net';
import { systemCode, type Timers } from '@underpass/runtime';
import { CONNECTION_ATTEMPT_DELAY_MS } from './forward-constants.js';
import type { RequestStatus } from './request.js';

export interface DialOptions {
  /** IP literals, at least one, all permitted, in the order in which to try them. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** For all attempts together. */
  readonly timeoutMs: number;
  readonly timers: Timers;
  readonly connectTcp?: ConnectTcp;
}

export type ConnectTcp = (address: string, port: number) => Socket;

export type DialOutcome =
  | { readonly ok: true; readonly socket: Socket; readonly address: string }
  | { readonly ok: false; readonly status: RequestStatus };

/** When addresses fail in different ways, the most informative failure is reported: first a lack of resources here,
 *  then an answer from the target, then silence. */
const MOST_INFORMATIVE_FIRST: readonly RequestStatus[] = [
  'internal-error',
  'connection-refused',
  'timed-out',
  'unreachable',
];

/** Calls `done` once and never before it returns, unless it is cancelled first.
 *  @returns a function that cancels it */
export function dial(options: DialOptions, done: (outcome: DialOutcome) => void): () => void {
  const { addresses, port, timers, connectTcp = connectByNumber } = options;
  const underWay = new Set<Socket>();
  let next = 0;
  let status: RequestStatus = 'unreachable';
  let nextAttempt: object | undefined;

  const stop = (): void => {
    timers.clear(deadline);
    if (nextAttempt !== undefined) timers.clear(nextAttempt);
    nextAttempt = undefined;
    for (const socket of underWay) giveUp(socket);
    underWay.clear();
  };
  const fail = (failure: RequestStatus): void => {
    if (MOST_INFORMATIVE_FIRST.indexOf(failure) < MOST_INFORMATIVE_FIRST.indexOf(status)) status = failure;
  };
  const attempt = (): void => {
    if (nextAttempt !== undefined) timers.clear(nextAttempt);
    nextAttempt = undefined;
    const address = addresses[next++] as string;
    const socket = connectTcp(address, port);
    underWay.add(socket);
    socket.once('error', (error) => {
      underWay.delete(socket);
      giveUp(socket);
      fail(statusOf(error));
      if (next < addresses.length) attempt();
      else if (underWay.size === 0) {
        stop();
        done({ ok: false, status });
      }
    });
    socket.once('connect', () => {
      underWay.delete(socket);
      stop();
      socket.removeAllListeners('error');
      done({ ok: true, socket, address });
    });
    if (next < addresses.length) nextAttempt = timers.set(attempt, CONNECTION_ATTEMPT_DELAY_MS);
  };
  const deadline = timers.set(() => {
    stop();
    fail('timed-out');
    done({ ok: false, status });
  }, options.timeoutMs);
  attempt();
  return stop;
}

/** Closes a socket and ignores any later error, since the outcome no longer depends on it. */
function giveUp(socket: Socket): void {
  socket.removeAllListeners();
  socket.on('error', () => {});
  socket.destroy();
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
