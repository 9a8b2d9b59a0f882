/** What a peer's silence means (spec outage 2, 4). */
import { SUSPECT_AFTER_MS, WAITING_AFTER_MS } from '../transport/limits.js';

const NEVER = Number.POSITIVE_INFINITY;

/** What the judgement depends on: see `Association` and `Connection`. */
export interface Circumstances {
  /** HELLO of the peer arrived: streams have somebody to wait for. */
  readonly isConnected: boolean;
  /** No stream is open and nothing is in flight. */
  readonly isIdle: boolean;
  /** Without back-off: no path answers sooner than it does. */
  readonly probeTimeoutMs: number;
}

/** Silence by itself means nothing: an idle peer sends nothing. It counts from the moment when an answer is due,
 *  because something was sent that the peer must acknowledge or because a handshake is needed.
 *
 *  The owner calls `ask` whenever an answer is due and `onHeard` for each authenticated datagram. Three things follow
 *  from silence, one after the other: the keys may be dead, people want to know that their streams wait, and at last,
 *  counted from the last datagram, the streams are given up. The owner asks at `dueAt` which of them is true now, and
 *  acts on it. All times are milliseconds of the caller's clock. */
export class Reachability {
  readonly #maxSilenceMs: number;
  #heardAt: number | undefined;
  #dueSince: number | undefined;
  #isSuspect = false;
  #isWaiting = false;

  /** @param maxSilenceMs streams of a peer that is silent for so long are given up */
  constructor(maxSilenceMs: number) {
    this.#maxSilenceMs = maxSilenceMs;
  }

  /** When the answer came due that streams are known to wait for, or undefined. */
  get waitingSince(): number | undefined {
    return this.#isWaiting ? this.#dueSince : undefined;
  }

  /** The peer has left an answer out for so long that it may have restarted. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** An authenticated datagram arrived. @returns how long its answer was due if streams were known to wait, or
   *  undefined */
  onHeard(now: number): number | undefined {
    const since = this.waitingSince;
    this.#heardAt = now;
    this.end();
    return since === undefined ? undefined : now - since;
  }

  /** An answer is due. */
  ask(now: number): void {
    this.#dueSince ??= now;
  }

  /** No answer is due any more. */
  end(): void {
    this.#dueSince = undefined;
    this.#isSuspect = false;
    this.#isWaiting = false;
  }

  /** @returns true when the silence has lasted so long, once */
  becomesSuspect(now: number, circumstances: Circumstances): boolean {
    if (now < this.#suspectAt(circumstances)) return false;
    this.#isSuspect = true;
    return true;
  }

  /** @returns true when people want to know, once */
  becomesWaiting(now: number, circumstances: Circumstances): boolean {
    if (now < this.#waitingAt(circumstances)) return false;
    this.#isWaiting = true;
    return true;
  }

  /** @returns true when the streams are given up */
  isOver(now: number, circumstances: Circumstances): boolean {
    return now >= this.#overAt(circumstances);
  }

  /** When one of these is next true, or infinity. */
  dueAt(circumstances: Circumstances): number {
    return Math.min(
      this.#suspectAt(circumstances),
      this.#waitingAt(circumstances),
      this.#overAt(circumstances),
    );
  }

  #suspectAt({ probeTimeoutMs }: Circumstances): number {
    if (this.#dueSince === undefined || this.#isSuspect) return NEVER;
    return this.#dueSince + Math.max(SUSPECT_AFTER_MS, probeTimeoutMs);
  }

  #waitingAt({ isConnected, probeTimeoutMs }: Circumstances): number {
    if (!isConnected || this.#dueSince === undefined || this.#isWaiting) return NEVER;
    return this.#dueSince + Math.max(WAITING_AFTER_MS, probeTimeoutMs);
  }

  /** spec outage 4: when streams that nobody asks for any more are given up. */
  #overAt({ isIdle }: Circumstances): number {
    return this.#heardAt === undefined || isIdle ? NEVER : this.#heardAt + this.#maxSilenceMs;
  }
}
