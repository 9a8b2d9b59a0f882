import { SUSPECT_AFTER_MS, WAITING_AFTER_MS } from '../transport/limits.js';

const NEVER = Number.POSITIVE_INFINITY;

/** What else decides what silence means. Association provides it. */
export interface Circumstances {
  /** A HELLO of the peer has arrived, so there is a peer that streams can wait for. */
  readonly isConnected: boolean;
  /** No stream is open, and nothing is in flight. */
  readonly isIdle: boolean;
  /** One probe timeout, without back-off. An answer cannot be expected sooner. */
  readonly probeTimeoutMs: number;
}

/** Decides what a peer's silence means (spec outage 2, 4).
 *
 *  Silence alone means nothing, because an idle peer sends nothing. It counts from the moment when an answer is due:
 *  when something was sent that the peer has to acknowledge, or a handshake is needed.
 *
 *  Three things follow from silence, one after the other. First, the keys may be dead. Then the user is told that
 *  streams wait. Finally the streams are given up. This last step does not need an answer to be due: it then counts
 *  from the peer's last datagram. Otherwise a relay with an open stream and nothing to send would keep the stream for
 *  ever.
 *
 *  Peer owns this object. It calls `ask` whenever an answer is due, and `onHeard` for each datagram that authenticates.
 *  At `dueAt` it asks which of the three is true now, and acts on it. Times are in monotonic milliseconds. */
export class Reachability {
  readonly #maxSilenceMs: number;
  #heardAt: number | undefined;
  #dueSince: number | undefined;
  #isSuspect = false;
  #isWaiting = false;

  /** @param maxSilenceMs how long a peer may be silent before its streams are given up */
  constructor(maxSilenceMs: number) {
    this.#maxSilenceMs = maxSilenceMs;
  }

  /** When a datagram of the peer last authenticated. */
  get heardAt(): number | undefined {
    return this.#heardAt;
  }

  /** If streams are reported to wait: since when an answer has been due. */
  get waitingSince(): number | undefined {
    return this.#isWaiting ? this.#dueSince : undefined;
  }

  /** An answer has been due for so long that the peer may have restarted and lost its keys. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** A datagram of the peer authenticated.
   *  @returns how long an answer was due, if streams were reported to wait */
  onHeard(now: number): number | undefined {
    const since = this.waitingSince;
    this.#heardAt = now;
    this.end();
    return since === undefined ? undefined : now - since;
  }

  /** An answer is due. If one was due already, it counts from then. */
  ask(now: number): void {
    this.#dueSince ??= now;
  }

  /** There is nothing that the peer would have to answer. If nothing was concluded yet, no answer is due any more. */
  withdraw(): void {
    if (!this.#isSuspect && !this.#isWaiting) this.#dueSince = undefined;
  }

  /** No answer is due any more. */
  end(): void {
    this.#dueSince = undefined;
    this.#isSuspect = false;
    this.#isWaiting = false;
  }

  /** Whether the keys may be dead by now. Returns true only once per silence. */
  becomesSuspect(now: number, circumstances: Circumstances): boolean {
    if (now < this.#suspectAt(circumstances)) return false;
    this.#isSuspect = true;
    return true;
  }

  /** Whether to report that streams wait. Returns true only once per silence. */
  becomesWaiting(now: number, circumstances: Circumstances): boolean {
    if (now < this.#waitingAt(circumstances)) return false;
    this.#isWaiting = true;
    return true;
  }

  /** Whether to give up the streams. */
  isOver(now: number, circumstances: Circumstances): boolean {
    return now >= this.#overAt(circumstances);
  }

  /** When one of the three will become true; Infinity if none will. */
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

  /** When streams are given up (spec outage 4). The time from which an answer is due counts if it is later than the
   *  last datagram, so that a stream that is opened after a long idle time is not given up at once. */
  #overAt({ isIdle }: Circumstances): number {
    if (this.#heardAt === undefined || isIdle) return NEVER;
    return Math.max(this.#heardAt, this.#dueSince ?? this.#heardAt) + this.#maxSilenceMs;
  }
}
