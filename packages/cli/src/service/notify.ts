/** Reports the state of this process to systemd, by the protocol of sd_notify(3) (docs/adr/0021-service.md). */
import { type Log, sendUnixDatagram } from '@underpass/runtime';

/** systemd as the parent of this process. Every method does nothing if systemd did not ask for reports. */
export interface ServiceManager {
  /** The start is complete.
   *  @param status  what `systemctl status` shows */
  ready(status: string): void;
  /** Runs `reload`, during which systemd shows that the process reloads. Throws what `reload` throws. */
  reloading<Result>(reload: () => Promise<Result>): Promise<Result>;
  stopping(): void;
}

/** What the reports need from the system. Tests replace it. */
export interface NotifyHost {
  /** @returns whether the datagram was sent */
  readonly send: (socket: string, bytes: Uint8Array) => boolean;
  /** Runs systemd-notify. @returns whether it succeeded */
  readonly runNotify: (assignments: readonly string[]) => Promise<boolean>;
  /** Calls back at this interval without keeping the process alive. */
  readonly every: (intervalMs: number, callback: () => void) => void;
  readonly monotonicUs: () => bigint;
  readonly pid: number;
}

/** @param log  where a report that did not reach systemd is reported */
export function serviceManager(
  log: Log,
  environment: NodeJS.ProcessEnv = process.env,
  host: NotifyHost = thisProcess,
): ServiceManager {
  const socket = environment.NOTIFY_SOCKET ?? '';
  if (socket === '') return { ready: () => {}, reloading: (reload) => reload(), stopping: () => {} };
  return new Notifier(socket, log, watchdogMs(environment, host.pid), host);
}

/** Sends reports in order, and keepalives to the watchdog once the process is ready.
 *
 *  It sends each report itself if koffi is installed. Otherwise systemd-notify sends it, a process for each report. That
 *  takes a moment, so a report waits for the one before it. */
class Notifier implements ServiceManager {
  readonly #socket: string;
  readonly #log: Log;
  readonly #watchdogMs: number | undefined;
  readonly #host: NotifyHost;
  #queue: Promise<void> = Promise.resolve();
  #isWatched = false;
  #hasFailed = false;

  constructor(socket: string, log: Log, watchdogMs: number | undefined, host: NotifyHost) {
    this.#socket = socket;
    this.#log = log;
    this.#watchdogMs = watchdogMs;
    this.#host = host;
  }

  ready(status: string): void {
    this.#report(['READY=1', `STATUS=${status.replaceAll('\n', ' ')}`]);
    if (this.#watchdogMs === undefined || this.#isWatched) return;
    this.#isWatched = true;
    // Twice in each period, as sd_watchdog_enabled(3) recommends.
    this.#host.every(this.#watchdogMs / 2, () => this.#report(['WATCHDOG=1']));
  }

  async reloading<Result>(reload: () => Promise<Result>): Promise<Result> {
    this.#report(['RELOADING=1', `MONOTONIC_USEC=${this.#host.monotonicUs()}`]);
    try {
      return await reload();
    } finally {
      this.#report(['READY=1']); // a process whose reload failed goes on as before
    }
  }

  stopping(): void {
    this.#report(['STOPPING=1', 'STATUS=stopping']);
  }

  #report(assignments: readonly string[]): void {
    if (this.#host.send(this.#socket, new TextEncoder().encode(assignments.join('\n')))) return;
    this.#queue = this.#queue.then(async () => {
      if (await this.#host.runNotify(assignments)) return;
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#log.warn(
        { event: 'notify-failed' },
        `systemd did not receive '${assignments[0]}' and may stop this service: install systemd-notify, or the optional package koffi`,
      );
    });
  }
}

/** The watchdog's period, if systemd watches this process. */
function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv, pid: number): number | undefined {
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return undefined;
  const periodMs = Number(WATCHDOG_USEC ?? Number.NaN) / 1000;
  return periodMs > 0 ? periodMs : undefined;
}

const NOTIFY_LIMIT_MS = 10_000;

const thisProcess: NotifyHost = {
  send: sendUnixDatagram,
  runNotify: async (assignments) => {
    const { execFile } = await import('node:child_process');
    return new Promise((resolve) => {
      execFile('systemd-notify', assignments, { timeout: NOTIFY_LIMIT_MS }, (error) =>
        resolve(error === null),
      );
    });
  },
  every: (intervalMs, callback) => void setInterval(callback, intervalMs).unref(),
  monotonicUs: () => process.hrtime.bigint() / 1000n,
  pid: process.pid,
};
