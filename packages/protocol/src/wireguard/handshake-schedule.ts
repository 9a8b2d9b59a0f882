import { readUint32 } from '../little-endian.js';
import {
  INITIATION_COPY_INTERVAL_MS,
  INITIATION_COPY_MS,
  MAX_HANDSHAKE_TRIES,
  REKEY_TIMEOUT_JITTER_MS,
  REKEY_TIMEOUT_MS,
  RESPONSE_COPY_MS,
} from './constants.js';
import { type SomeTimers, Timer } from './timers.js';

/** Decides when the messages of one peer's handshakes are sent (spec session 5.5 to 5.7). It knows times, but neither
 *  keys nor messages: Handshakes owns it, asks what is due, makes and sends the message, and reports back what was
 *  sent.
 *
 *  A session _wants_ a handshake when it has data to send and no usable keypair, or when its keypair is getting old.
 *  Then a _try_ is due: a new initiation. It is due at once, unless the last try was less than 5 s ago; then it waits
 *  until these 5 s and a random time are over, so that two sides do not keep colliding. If no response comes, the next
 *  try follows, up to MAX_HANDSHAKE_TRIES. After that the schedule rests until a handshake is wanted again.
 *
 *  Between two tries, _copies_ of the same initiation are sent, because one lost datagram should not cost five seconds.
 *  The responder repeats its response for the same reason. A completed handshake ends all of this. */
export class HandshakeSchedule {
  readonly #timers: SomeTimers<
    typeof Timer.handshakeRetry | typeof Timer.initiationCopy | typeof Timer.responseCopy
  >;
  readonly #random: (length: number) => Uint8Array;
  /** Tries since a handshake was last wanted. */
  #tries = 0;
  #lastTryAt = Number.NEGATIVE_INFINITY;
  /** Drawn afresh for each try. */
  #jitterMs: number;
  #isTryDue = false;
  /** The last try sent nothing, because no more may be sent to the peer's unproven address. */
  #isHeldBack = false;
  #isCopyDue = false;
  /** How many copies of the current initiation were sent. */
  #initiationCopies = 0;
  /** How many times the current response was sent, including the first. */
  #responsesSent = 0;

  constructor(
    timers: SomeTimers<typeof Timer.handshakeRetry | typeof Timer.initiationCopy | typeof Timer.responseCopy>,
    random: (length: number) => Uint8Array,
  ) {
    this.#timers = timers;
    this.#random = random;
    this.#jitterMs = this.#drawJitter();
  }

  /** A new initiation should be made and sent now. */
  get isTryDue(): boolean {
    return this.#isTryDue;
  }
  /** A try is waiting for its response, or for its time to come. */
  get isTrying(): boolean {
    return this.#timers.isSet(Timer.handshakeRetry);
  }
  /** A random time of up to 333 ms that is added to intervals, so that the timers of the two sides drift apart. */
  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** The session wants a handshake. This restarts the count of tries, but does not make a try that is already scheduled
   *  come any sooner.
   *  @returns whether a try is due now */
  want(now: number): boolean {
    this.#tries = 0;
    if (this.isTrying) return false;
    const at = this.#lastTryAt + REKEY_TIMEOUT_MS;
    if (now >= at) this.#isTryDue = true;
    else this.#timers.set(Timer.handshakeRetry, at + this.#jitterMs);
    return this.#isTryDue;
  }

  /** The retry timer fired: no response came in time.
   *  @returns whether another try is due; false if the last one is over and the handshake is given up */
  retry(): boolean {
    this.#isTryDue = this.#tries < MAX_HANDSHAKE_TRIES;
    return this.#isTryDue;
  }

  /** Takes the try that is due, if there is one. The caller then calls `beginTry`, sends an initiation and
   *  calls `onInitiated`. If it may not send one, it calls `onHeldBack` instead. */
  takeTry(): boolean {
    const isDue = this.#isTryDue;
    this.#isTryDue = false;
    if (isDue) this.#isHeldBack = false;
    return isDue;
  }

  /** A new initiation is about to be made: the 5 s until the next try count from here. */
  beginTry(now: number): void {
    this.#lastTryAt = now;
    this.#jitterMs = this.#drawJitter();
  }

  /** The new initiation is sent. */
  onInitiated(now: number): void {
    this.#tries++;
    this.#timers.set(Timer.handshakeRetry, this.#lastTryAt + REKEY_TIMEOUT_MS + this.#jitterMs);
    this.#initiationCopies = 0;
    this.#isCopyDue = false;
    this.#timers.set(Timer.initiationCopy, now + INITIATION_COPY_MS[0]);
  }

  /** The try sends nothing, because no more may be sent to the peer's address. It counts as lost, unless the address is
   *  proven before the next try (see `release`). */
  onHeldBack(now: number): void {
    this.#isHeldBack = true;
    this.#tries++;
    this.#timers.set(Timer.handshakeRetry, now + REKEY_TIMEOUT_MS + this.#jitterMs);
  }

  /** The peer's address is proven. A try that was held back is due now: to wait for the next one could take longer than
   *  the keypair lasts (spec path 2).
   *  @returns whether one was held back */
  release(): boolean {
    if (!this.#isHeldBack) return false;
    this.#isHeldBack = false;
    this.#timers.cancel(Timer.handshakeRetry);
    this.#isTryDue = true;
    return true;
  }

  /** Makes a copy of the initiation due. */
  copyInitiation(): void {
    this.#isCopyDue = true;
  }

  /** Takes the copy of the initiation that is due, if there is one. */
  takeCopy(): boolean {
    const isDue = this.#isCopyDue;
    this.#isCopyDue = false;
    return isDue;
  }

  /** A copy of the initiation is sent, or counts as lost because it may not be: schedules the next one. */
  onInitiationCopied(now: number): void {
    this.#initiationCopies++;
    const delayMs = INITIATION_COPY_MS[this.#initiationCopies] ?? INITIATION_COPY_INTERVAL_MS;
    // The next try is due by then. If this was the last try, it is given up by then.
    if (now + delayMs >= this.#lastTryAt + REKEY_TIMEOUT_MS) return;
    this.#timers.set(Timer.initiationCopy, now + delayMs);
  }

  /** There is a new response, which has no copies yet. */
  onResponded(): void {
    this.#responsesSent = 0;
  }

  /** The response or a copy of it is sent, or counts as lost because it may not be: schedules the next copy. */
  onResponseSent(now: number): void {
    const delayMs = RESPONSE_COPY_MS[this.#responsesSent++];
    if (delayMs !== undefined) this.#timers.set(Timer.responseCopy, now + delayMs);
  }

  /** A handshake is complete, or none is wanted any more: nothing is due. */
  stop(): void {
    this.#timers.cancel(Timer.handshakeRetry);
    this.#timers.cancel(Timer.initiationCopy);
    this.#timers.cancel(Timer.responseCopy);
    this.#isTryDue = false;
    this.#isHeldBack = false;
    this.#isCopyDue = false;
    this.#tries = 0;
  }

  #drawJitter(): number {
    return readUint32(this.#random(4), 0) % (REKEY_TIMEOUT_JITTER_MS + 1);
  }
}
