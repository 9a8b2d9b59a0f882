/** Says that the relay does not answer, and why, as far as this machine can know (spec outage 9). */
import { type Address, sameAddress } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { ASK_WHY_MS, NO_ANSWER_AGAIN_MS, NO_ANSWER_MS } from './client-constants.js';
import type { ClientEvent, ContactProblem } from './client-options.js';

export interface ContactReportOptions {
  /** As the user wrote it. */
  readonly relay: { readonly host: string; readonly port: number };
  readonly emit: (event: ClientEvent) => void;
  /** Where datagrams go now. */
  readonly address: () => Address | undefined;
  /** @returns the name of the error that the system has for that port, or undefined */
  readonly probePort: (address: Address) => Promise<string | undefined>;
  readonly waitingConnections: () => number;
  readonly now: () => number;
  readonly timers: Timers;
}

/** Watches the time between the wish for an answer and the answer.
 *
 *  `begin` starts the watch and `end` stops it; both may come any number of times. While it runs, the reason is looked
 *  for once early and before each report: errors of our own sends, which `onSendError` brings, go before what `probePort`
 *  hears from the other side. A reason is told when it differs from the last one. Nothing here changes what is sent, or
 *  where. */
export class ContactReport {
  readonly #options: ContactReportOptions;
  #since: number | undefined;
  #timer: object | undefined;
  /** What was told last. */
  #told: ContactProblem | undefined;
  #unresolved: ContactProblem | undefined;
  #sendError: { readonly to: Address; readonly code: string } | undefined;

  constructor(options: ContactReportOptions) {
    this.#options = options;
  }

  /** An answer is due. @param isToldAlready  that nothing is heard: the first report is one of the later ones */
  begin(isToldAlready = false): void {
    if (this.#since !== undefined) return;
    this.#since = this.#options.now();
    this.#set(ASK_WHY_MS, async () => {
      const problem = await this.#findProblem();
      if (problem !== undefined) this.#tell(problem);
      const firstMs = isToldAlready ? NO_ANSWER_AGAIN_MS : NO_ANSWER_MS;
      return firstMs - ASK_WHY_MS;
    });
  }

  /** The relay was heard, or nobody waits for it any more. */
  end(): void {
    this.#since = undefined;
    this.#told = undefined;
    this.#unresolved = undefined;
    this.#sendError = undefined;
    if (this.#timer !== undefined) this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
  }

  onSendError(to: Address, code: string): void {
    this.#sendError = { to, code };
  }

  /** The relay's name has no address yet. */
  onUnresolved(host: string, port: number, code: string): void {
    this.#unresolved = { kind: 'unresolved', host, port, code };
    this.#tell(this.#unresolved);
  }

  onResolved(): void {
    this.#unresolved = undefined;
  }

  /** @param action  @returns when the next report is due, from then on */
  #set(delayMs: number, action: () => Promise<number>): void {
    this.#timer = this.#options.timers.set(() => void this.#run(action), delayMs);
  }

  async #run(action: () => Promise<number>): Promise<void> {
    const since = this.#since;
    const delayMs = await action();
    if (since === this.#since && since !== undefined) this.#set(delayMs, () => this.#report());
  }

  async #report(): Promise<number> {
    const since = this.#since;
    const problem = await this.#findProblem();
    if (since !== undefined && since === this.#since) {
      const { relay, emit, now, waitingConnections } = this.#options;
      this.#told = problem;
      emit({
        type: 'no-answer',
        relay,
        silentMs: now() - since,
        waitingConnections: waitingConnections(),
        problem,
      });
    }
    return NO_ANSWER_AGAIN_MS;
  }

  #tell(problem: ContactProblem): void {
    if (this.#told !== undefined && isSame(this.#told, problem)) return;
    this.#told = problem;
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
