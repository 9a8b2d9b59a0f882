/** One peer's handshakes, ours and the peer's: the schedule and the two sides' cryptography together (spec session 5, handshake). */
import { assert } from '../assert.js';
import type { DropReason } from '../failure.js';
import type { SessionContext } from './context.js';
import { HandshakeSchedule } from './handshake-schedule.js';
import { Initiator } from './initiator.js';
import type { Keypair } from './keypair.js';
import { INITIATION_BYTES } from './messages.js';
import type { HandshakeState } from './noise.js';
import type { PeerSecrets } from './peer-secrets.js';
import { Responder } from './responder.js';
import type { SomeTimers } from './timers.js';

/** A message 1 that authenticated. */
export interface Initiation {
  readonly state: HandshakeState;
  readonly senderIndex: number;
  readonly timestamp: Uint8Array;
  /** UDP payload. */
  readonly bytes: number;
}

/** Both sides may start a handshake at any moment, even at the same one, so the two directions live side by side: `Initiator` holds the
 *  one that we began, `Responder` our answer to the peer's. Whichever completes first ends both. What may go out when is up to
 *  HandshakeSchedule. Keypairs that come of it belong to the session. */
export class Handshakes<S> {
  readonly #session: S;
  readonly #context: SessionContext<S>;
  readonly #secrets: PeerSecrets;
  readonly #schedule: HandshakeSchedule;
  readonly #initiator: Initiator<S>;
  readonly #responder: Responder<S>;

  constructor(
    session: S,
    context: SessionContext<S>,
    secrets: PeerSecrets,
    timers: SomeTimers<'handshake-retry' | 'initiation-copy' | 'response-copy'>,
  ) {
    this.#session = session;
    this.#context = context;
    this.#secrets = secrets;
    this.#schedule = new HandshakeSchedule(timers, context.random);
    this.#initiator = new Initiator(context, secrets);
    this.#responder = new Responder(context, secrets);
  }

  /** What is added to intervals so that both sides' timers drift apart. */
  get jitterMs(): number {
    return this.#schedule.jitterMs;
  }

  /** Somebody wants new keys (spec session 5.5, 5.6). */
  want(now: number): void {
    if (this.#secrets.staticStatic === undefined) return;
    if (this.#schedule.want(now)) this.#poll();
  }

  /** The peer's address is proven: an initiation that its limit kept back goes out now (spec path 2). */
  release(): void {
    if (this.#schedule.release()) this.#poll();
  }

  /** An initiation that waits for its response goes out once more. */
  copyInitiation(): void {
    if (this.#initiator.pendingMessage === undefined) return;
    this.#schedule.copyInitiation();
    this.#poll();
  }

  /** Our response goes out once more (spec session 5.7). */
  copyResponse(): void {
    this.#responder.repeatResponse();
    this.#poll();
  }

  /** The retry timer fired. @returns false when nobody answered the last try either: it is given up */
  retry(): boolean {
    if (this.#schedule.retry()) {
      this.#poll();
      return true;
    }
    this.#initiator.abandon();
    return false;
  }

  /** Takes the message's state. @returns the keypair that it makes, or why it makes none */
  respond(now: number, message: Initiation): Keypair | DropReason {
    const { state, senderIndex, timestamp } = message;
    const refused = this.#responder.admit(now, this.#session, timestamp);
    const keypair =
      refused === undefined ? this.#responder.respond(now, this.#session, state, senderIndex) : undefined;
    if (keypair === undefined) {
      state.wipe();
      return refused ?? 'handshake-failed';
    }
    this.#schedule.onResponded();
    this.#poll();
    return keypair;
  }

  /** A message 2 with a right mac1 and an index of this session. @returns the keypair that it makes, or why it makes none */
  handleResponse(now: number, message: Uint8Array): { keypair: Keypair; roundTripMs: number } | DropReason {
    return this.#initiator.complete(now, message);
  }

  /** Writes the next message 1 or 2 into `into`, at least 148 bytes.
   *  @param allowanceBytes what may be sent to the peer's address
   *  @returns its length, or 0 when there is none */
  poll(now: number, into: Uint8Array, allowanceBytes: number): number {
    const response = this.#responder.takeResponse(now);
    if (response !== undefined && response.length <= allowanceBytes) {
      into.set(response);
      this.#schedule.onResponseSent(now);
      return response.length;
    }
    if (this.#schedule.takeTry()) {
      if (INITIATION_BYTES > allowanceBytes) this.#schedule.onHeldBack(now);
      else if (this.#initiate(now, into)) return INITIATION_BYTES;
    }
    if (this.#schedule.takeCopy() && INITIATION_BYTES <= allowanceBytes && this.#copy(now, into)) {
      return INITIATION_BYTES;
    }
    return 0;
  }

  /** A handshake completed: the peer has our response, or we have its. */
  complete(): void {
    this.#schedule.stop();
    this.#responder.forgetResponse();
  }

  /** The secrets of an initiation that nobody tries any more go: a handshake of the peer's came first (spec session 8.1). */
  wipeIdle(): void {
    if (!this.#schedule.isTrying) this.#initiator.abandon();
  }

  /** Forgets everything that is under way. */
  stop(): void {
    this.complete();
    this.#initiator.abandon();
  }

  #poll(): void {
    this.#context.wantHandshake(this.#session);
  }

  #initiate(now: number, into: Uint8Array): boolean {
    this.#schedule.beginTry(now);
    if (!this.#initiator.initiate(now, this.#session, into)) return false;
    this.#schedule.onInitiated(now);
    return true;
  }

  /** spec session 5.7: the same bytes again, as a network might deliver them twice. */
  #copy(now: number, into: Uint8Array): boolean {
    const message = this.#initiator.pendingMessage;
    if (message === undefined) return false;
    assert(message.length === INITIATION_BYTES, 'an initiation is kept whole');
    into.set(message);
    // A cookie may have come meanwhile.
    this.#secrets.writeMacs(now, into.subarray(0, INITIATION_BYTES));
    this.#schedule.onInitiationCopied(now);
    return true;
  }
}
