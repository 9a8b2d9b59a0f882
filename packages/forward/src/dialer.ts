/** Connects to whichever of some checked addresses answers first (spec forwarding 2.4; RFC 8305 §5, "Happy Eyeballs").
 *
 *  An attempt goes to the first address. If it has not connected after 250 ms the next address is tried beside it, or at once when it
 *  fails; the first connection to come about wins and the others are closed. An address that swallows everything, typically an IPv6
 *  address on a network whose IPv6 leads nowhere, so costs a quarter of a second. */

import { connect, type Socket } from 'node:net';
import { systemCode, type Timers } from '@underpass/runtime';
import { CONNECTION_ATTEMPT_DELAY_MS } from './forward-constants.js';
import type { RequestStatus } from './request.js';

export interface DialOptions {
  /** IP literals, at least one, each of them permitted, in the order in which they are tried. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** For all of them together. */
  readonly timeoutMs: number;
  readonly timers: Timers;
  readonly connectTcp?: ConnectTcp;
}

export type ConnectTcp = (address: string, port: number) => Socket;

export type DialOutcome =
  | { readonly ok: true; readonly socket: Socket; readonly address: string }
  | { readonly ok: false; readonly status: RequestStatus };

/** When several addresses fail in several ways, the one that says most counts: that this machine lacks something, that somebody
 *  answered, that nobody did. */
const TELLING: readonly RequestStatus[] = [
  'internal-error',
  'connection-refused',
  'timed-out',
  'unreachable',
];

/** Calls `done` once, later, unless it is called off first.
 *  @returns calls it off */
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
    if (TELLING.indexOf(failure) < TELLING.indexOf(status)) status = failure;
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

/** Also after it has failed: what it still has to say interests nobody. */
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
