/** The way to a unix socket on this machine (spec forwarding 3.7). */
import { connect, type Socket } from 'node:net';
import { systemCode, type Timers } from '@underpass/runtime';
import { type Rules, refuseUnixTarget } from './authorize.js';
import type { Route, RouteOutcome } from './dial-service.js';
import { formatTarget, type UnixTarget } from './forward-spec.js';
import type { RequestStatus } from './request.js';

export interface UnixRouteOptions {
  readonly rules: () => Rules;
  /** The paths of this program's own sockets, which no rule can permit. */
  readonly ownSockets?: () => readonly string[];
  readonly connectUnix?: (path: string) => Socket;
}

/** It connects to exactly the path that the rules were asked about. */
export class UnixRoute implements Route {
  readonly target: UnixTarget;
  readonly #options: UnixRouteOptions;
  readonly #timers: Timers;
  readonly #now: () => number;

  constructor(
    { path }: UnixTarget,
    options: UnixRouteOptions,
    { timers, now }: { readonly timers: Timers; readonly now: () => number },
  ) {
    this.target = { path };
    this.#options = options;
    this.#timers = timers;
    this.#now = now;
  }

  judge(): string | undefined {
    return refuseUnixTarget(this.#options.rules(), this.target);
  }

  judgeAgain(): string | undefined {
    return this.judge();
  }

  connect(end: number, done: (outcome: RouteOutcome) => void): () => void {
    const where = formatTarget(this.target);
    let socket: Socket | undefined;
    let isOver = false;
    const finish = (outcome: RouteOutcome): void => {
      if (isOver) return;
      stop();
      done(outcome);
    };
    const timer = this.#timers.set(
      () => {
        finish(refusal('timed-out', `${where} did not accept the connection in time`));
        socket?.destroy();
      },
      Math.max(end - this.#now(), 0),
    );
    const stop = (): void => {
      isOver = true;
      this.#timers.clear(timer);
      socket?.removeAllListeners();
      socket?.on('error', () => {});
    };
    const dial = (isOwn: boolean): void => {
      if (isOver) return;
      const advice = this.judge() ?? (isOwn ? `${where} belongs to the relay itself` : undefined);
      if (advice !== undefined) {
        finish(refusal('not-allowed', advice));
        return;
      }
      const { connectUnix = connectTo } = this.#options;
      const connecting = connectUnix(this.target.path);
      socket = connecting;
      connecting.once('error', (error) => finish(failureOf(systemCode(error), where)));
      connecting.once('connect', () => {
        if (isOver) return;
        stop();
        connecting.removeAllListeners('error');
        done({ ok: true, socket: connecting, address: where });
      });
    };
    void this.#isOwnSocket().then(dial);
    return () => {
      stop();
      socket?.destroy();
    };
  }

  /** Compares files and not paths, because a link may lead there too. */
  async #isOwnSocket(): Promise<boolean> {
    const own = this.#options.ownSockets?.() ?? [];
    if (own.length === 0) return false;
    const [asked, ...others] = await Promise.all([this.target.path, ...own].map(identityOf));
    return asked !== undefined && others.includes(asked);
  }
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { stat } = await import('node:fs/promises'); // most relays never need it
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // there is no such file, so it cannot be reached either
  }
}

function connectTo(path: string): Socket {
  return connect({ path, allowHalfOpen: true });
}

function refusal(status: RequestStatus, advice: string): RouteOutcome {
  return { ok: false, status, advice };
}

function failureOf(code: string, where: string): RouteOutcome {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return refusal('name-not-found', `${where} does not exist on this machine`);
    case 'ECONNREFUSED':
    case 'ENOTSOCK':
      return refusal('connection-refused', `${where} refused the connection: nothing listens there`);
    case 'EACCES':
    case 'EPERM':
      return refusal('unreachable', `${where} may not be opened by this user: check its permissions`);
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
      return refusal(
        'internal-error',
        `${where} could not be dialled: this machine is out of sockets or memory`,
      );
    default:
      return refusal('unreachable', `${where} cannot be reached (${code})`);
  }
}
