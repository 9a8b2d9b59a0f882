/** Reports that the relay does not answer, and why, as far as this machine can know (spec outage 9). */
import { type Address, sameAddress } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { FIND_CAUSE_MS, NO_ANSWER_INTERVAL_MS, NO_ANSWER_MS } from './client-constants.js';
import type { ClientEvent, ContactProblem } from './client-options.js';

export interface ContactReportOptions {
  /** As the user wrote it. */
  readonly relay: { readonly host: string; readonly port: number };
  readonly emit: (event: ClientEvent) => void;
  /** Where datagrams are sent now. */
  readonly address: () => Address | undefined;
  /** @returns the name of the system's error for that port, or undefined */
  readonly probePort: (address: Address) => Promise<string | undefined>;
  readonly waitingConnections: () => number;
  readonly now: () => number;
  readonly timers: Timers;
}

/** Measures how long an answer is overdue, and reports it together with its likely cause.
 *
 *  The client calls `begin` when an answer becomes due and `end` when the relay is heard or nothing waits for it;
 *  repeated calls are harmless. In between, the report looks for the cause once early on and again before each
 *  `no-answer`. It prefers errors of our own sends (`onSendError`) to what `probePort` learns from the other machine.
 *  It emits a cause only when that differs from the last one. It never changes what is sent, or where. */
export class ContactReport {
  readonly #options: ContactReportOptions;
  #since: number | undefined;
  #timer: object | undefined;
  /** The problem that was emitted last. */
  #reported: ContactProblem | undefined;
  #unresolved: ContactProblem | undefined;
  #sendError: { readonly to: Address; readonly code: string } | undefined;

  constructor(options: ContactReportOptions) {
    this.#options = options;
  }

  /** Call when an answer becomes due. @param isReported whether the silence was reported already, so that the first
   *  report comes later */
  begin(isReported = false): void {
    if (this.#since !== undefined) return;
    this.#since = this.#options.now();
    this.#schedule(FIND_CAUSE_MS, async () => {
      const problem = await this.#findProblem();
      if (problem !== undefined) this.#reportProblem(problem);
      const firstMs = isReported ? NO_ANSWER_INTERVAL_MS : NO_ANSWER_MS;
      return firstMs - FIND_CAUSE_MS;
    });
  }

  /** Call when the relay is heard, or when nothing waits for it any longer. */
  end(): void {
    this.#since = undefined;
    this.#reported = undefined;
    this.#unresolved = undefined;
    this.#sendError = undefined;
    if (this.#timer !== undefined) this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
  }

  onSendError(to: Address, code: string): void {
    this.#sendError = { to, code };
  }

  /** Call when the relay's name has no address yet. */
  onUnresolved(host: string, port: number, code: string): void {
    this.#unresolved = { kind: 'unresolved', host, port, code };
    this.#reportProblem(this.#unresolved);
  }

  onResolved(): void {
    this.#unresolved = undefined;
  }

  /** @param action  returns the delay until the next report */
  #schedule(delayMs: number, action: () => Promise<number>): void {
    this.#timer = this.#options.timers.set(() => void this.#runThenSchedule(action), delayMs);
  }

  async #runThenSchedule(action: () => Promise<number>): Promise<void> {
    const since = this.#since;
    const delayMs = await action();
    if (since === this.#since && since !== undefined) this.#schedule(delayMs, () => this.#report());
  }

  async #report(): Promise<number> {
    const since = this.#since;
    const problem = await this.#findProblem();
    if (since !== undefined && since === this.#since) {
      const { relay, emit, now, waitingConnections } = this.#options;
      this.#reported = problem;
      emit({
        type: 'no-answer',
        relay,
        silentMs: now() - since,
        waitingConnections: waitingConnections(),
        problem,
      });
    }
    return NO_ANSWER_INTERVAL_MS;
  }

  #reportProblem(problem: ContactProblem): void {
    if (this.#reported !== undefined && isSame(this.#reported, problem)) return;
    this.#reported = problem;
    this.#options.emit({ type: 'contact-problem', problem });
  }

  async #findProblem(): Promise<ContactProblem | undefined> {
    if (this.#unresolved !== undefined) return this.#unresolved;
    const address = this.#options.address();
    if (address === undefined) return undefined;
    const { address: host, port } = address;
    const error = this.#sendError;
    this.#sendError = undefined;
    if (error !== undefined && sameAddress(error.to, address)) {
      return { kind: 'cannot-send', host, port, code: error.code };
    }
    const since = this.#since;
    const code = await this.#options.probePort(address);
    if (code === undefined || this.#since !== since) return undefined;
    return { kind: code === 'ECONNREFUSED' ? 'not-listening' : 'unreachable', host, port, code };
  }
}

function isSame(a: ContactProblem, b: ContactProblem): boolean {
  return a.kind === b.kind && a.host === b.host && a.code === b.code;
}
