/** When the messages of one peer's handshakes go out (spec session 5.5 to 5.7). */
import { readUint32 } from '../little-endian.js';
import {
  INITIATION_COPY_INTERVAL_MS,
  INITIATION_COPY_MS,
  MAX_HANDSHAKE_TRIES,
  REKEY_TIMEOUT_JITTER_MS,
  REKEY_TIMEOUT_MS,
  RESPONSE_COPY_MS,
} from './constants.js';
import type { SomeTimers } from './timers.js';

/** The schedule knows moments, and neither keys nor messages.
 *
 *  A handshake is _wanted_ when somebody has data and no keys for it, or the keys are getting old. Then a _try_ is due: at once, or 5 s
 *  after the last one and a little later, so that two sides do not collide for ever. A try that gets no response is followed by the next,
 *  up to MAX_HANDSHAKE_TRIES; then the schedule rests until somebody wants a handshake again. Between two tries, copies of the same
 *  message go out, because one lost datagram should not cost five seconds; the answering side repeats its response for the same
 *  reason. A completed handshake ends all of it. */
export class HandshakeSchedule {
  readonly #timers: SomeTimers<'handshake-retry' | 'initiation-copy' | 'response-copy'>;
  readonly #random: (length: number) => Uint8Array;
  /** Tries since somebody last wanted a handshake. */
  #tries = 0;
  #lastTryAt = Number.NEGATIVE_INFINITY;
  /** Drawn again for each try. */
  #jitterMs: number;
  #isTryDue = false;
  /** The limit of an unproven address kept the last try's message back. */
  #isHeldBack = false;
  #isCopyDue = false;
  /** Copies sent of the present initiation and the present response. */
  #initiationCopies = 0;
  #responseCopies = 0;

  constructor(
    timers: SomeTimers<'handshake-retry' | 'initiation-copy' | 'response-copy'>,
    random: (length: number) => Uint8Array,
  ) {
    this.#timers = timers;
    this.#random = random;
    this.#jitterMs = this.#drawJitter();
  }

  get isTryDue(): boolean {
    return this.#isTryDue;
  }
  /** A try waits for its response, or for its turn. */
  get isTrying(): boolean {
    return this.#timers.isSet('handshake-retry');
  }
  /** What is added to intervals so that both sides' timers drift apart. */
  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** Somebody wants a handshake. A try that has its moment keeps it, however often somebody asks.
   *  @returns whether a try is due now */
  want(now: number): boolean {
    this.#tries = 0;
    if (this.isTrying) return false;
    const at = this.#lastTryAt + REKEY_TIMEOUT_MS;
    if (now >= at) this.#isTryDue = true;
    else this.#timers.set('handshake-retry', at + this.#jitterMs);
    return this.#isTryDue;
  }

  /** The retry timer fired. @returns false when that was the last try: nobody waits for an answer any more */
  retry(): boolean {
    this.#isTryDue = this.#tries < MAX_HANDSHAKE_TRIES;
    return this.#isTryDue;
  }

  /** Takes a try that is due; what becomes of it is told by `onInitiated` or `onHeldBack`. */
  takeTry(): boolean {
    const isDue = this.#isTryDue;
    this.#isTryDue = false;
    if (isDue) this.#isHeldBack = false;
    return isDue;
  }

  /** A new initiation is about to be made. */
  beginTry(now: number): void {
    this.#lastTryAt = now;
    this.#jitterMs = this.#drawJitter();
  }

  /** The initiation went out. */
  onInitiated(now: number): void {
    this.#tries++;
    this.#timers.set('handshake-retry', this.#lastTryAt + REKEY_TIMEOUT_MS + this.#jitterMs);
    this.#initiationCopies = 0;
    this.#isCopyDue = false;
    this.#timers.set('initiation-copy', now + INITIATION_COPY_MS[0]);
  }

  /** No more may be sent to the peer's address. Unless it is proven before the next try, this one counts as lost. */
  onHeldBack(now: number): void {
    this.#isHeldBack = true;
    this.#tries++;
    this.#timers.set('handshake-retry', now + REKEY_TIMEOUT_MS + this.#jitterMs);
  }

  /** The address is proven: a try that was held back is due now. Waiting for the next could outlast the keypair (spec path 2).
   *  @returns whether there was one */
  release(): boolean {
    if (!this.#isHeldBack) return false;
    this.#isHeldBack = false;
    this.#timers.cancel('handshake-retry');
    this.#isTryDue = true;
    return true;
  }

  /** The initiation that waits for its response is to go out once more. */
  copyInitiation(): void {
    this.#isCopyDue = true;
  }

  takeCopy(): boolean {
    const isDue = this.#isCopyDue;
    this.#isCopyDue = false;
    return isDue;
  }

  onInitiationCopied(now: number): void {
    this.#initiationCopies++;
    const delayMs = INITIATION_COPY_MS[this.#initiationCopies] ?? INITIATION_COPY_INTERVAL_MS;
    // After the last try has failed nobody waits for an answer.
    if (now + delayMs >= this.#lastTryAt + REKEY_TIMEOUT_MS) return;
    this.#timers.set('initiation-copy', now + delayMs);
  }

  /** There is a new response. */
  onResponded(): void {
    this.#responseCopies = 0;
  }

  /** The response, or a copy of it, went out. */
  onResponseSent(now: number): void {
    const delayMs = RESPONSE_COPY_MS[this.#responseCopies++];
    if (delayMs !== undefined) this.#timers.set('response-copy', now + delayMs);
  }

  /** A handshake completed, or none is wanted any more. */
  stop(): void {
    this.#timers.cancel('handshake-retry');
    this.#timers.cancel('initiation-copy');
    this.#timers.cancel('response-copy');
    this.#isTryDue = false;
    this.#isHeldBack = false;
    this.#isCopyDue = false;
    this.#tries = 0;
  }

  #drawJitter(): number {
    return readUint32(this.#random(4), 0) % (REKEY_TIMEOUT_JITTER_MS + 1);
  }
}
