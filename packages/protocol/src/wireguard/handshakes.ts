import { type Address, sameAddress } from '../address.js';
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
import type { SessionPath } from './session-path.js';
import type { SomeTimers, Timer } from './timers.js';

/** A message 1 that authenticated, as WireGuard passes it to the session. */
export interface Initiation {
  /** The handshake after message 1. The session takes it, and wipes it if it refuses the handshake. */
  readonly state: HandshakeState;
  readonly senderIndex: number;
  /** An encoded TAI64N timestamp, 12 bytes. */
  readonly timestamp: Uint8Array;
  /** The size of the UDP payload. */
  readonly bytes: number;
}

/** One peer's handshakes: those that we initiate and those that the peer initiates (spec session 5, handshake).
 *
 *  Both sides may initiate at any time, even at the same time, so the two directions live side by side. Initiator holds
 *  the handshake that we initiated, Responder holds our response to the peer's, and HandshakeSchedule decides when
 *  messages are sent. The first handshake to complete stops the tries and copies of both.
 *
 *  The session owns this object, feeds it messages and expired timers, and keeps the keypairs that result. When there
 *  is something to send, the object asks WireGuard to poll the session, and the message leaves through `poll`. */
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
    timers: SomeTimers<typeof Timer.handshakeRetry | typeof Timer.initiationCopy | typeof Timer.responseCopy>,
  ) {
    this.#session = session;
    this.#context = context;
    this.#secrets = secrets;
    this.#schedule = new HandshakeSchedule(timers, context.random);
    this.#initiator = new Initiator(context, secrets);
    this.#responder = new Responder(context, secrets);
  }

  /** A random time of up to 333 ms that is added to intervals, so that the timers of the two sides drift apart. */
  get jitterMs(): number {
    return this.#schedule.jitterMs;
  }

  /** The session wants a new keypair (spec session 5.5, 5.6). Nothing happens if no handshake with this peer is
   *  possible. */
  want(now: number): void {
    if (this.#secrets.staticStatic === undefined) return;
    if (this.#schedule.want(now)) this.#requestPoll();
  }

  /** The peer's address is proven: an initiation that was held back is sent now (spec path 2). */
  release(): void {
    if (this.#schedule.release()) this.#requestPoll();
  }

  /** Sends a copy of the initiation that is waiting for its response, if there is one (spec session 5.7). */
  copyInitiation(): void {
    if (this.#initiator.pendingMessage === undefined) return;
    this.#schedule.copyInitiation();
    this.#requestPoll();
  }

  /** Sends a copy of our response, unless it is no longer needed (spec session 5.7). */
  copyResponse(): void {
    this.#responder.repeatResponse();
    this.#requestPoll();
  }

  /** The retry timer fired: no response came in time.
   *  @returns false if that was the last try, so that the handshake is given up */
  retry(): boolean {
    if (this.#schedule.retry()) {
      this.#requestPoll();
      return true;
    }
    this.#initiator.abandon();
    return false;
  }

  /** Handles a message 1 that authenticated. Takes the message's state.
   *  @returns the new keypair, or why the message is dropped */
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
    this.#requestPoll();
    return keypair;
  }

  /** Handles a message 2 with a valid mac1 and a receiver index of this session.
   *  @returns the new keypair, or why the message is dropped */
  handleResponse(now: number, message: Uint8Array): { keypair: Keypair; roundTripMs: number } | DropReason {
    return this.#initiator.complete(now, message);
  }

  /** Writes the next message 1 or 2, if one is due. A response or a copy that exceeds the allowance is dropped, as if
   *  the network had lost it. A new initiation that exceeds it is held back until `release` or the next try.
   *  @param into at least 148 bytes
   *  @param path where the message will go, and how much may be sent there (spec path 2)
   *  @returns the length of the message, or 0 if there is none */
  poll(now: number, into: Uint8Array, path: SessionPath): number {
    const { address, allowanceBytes } = path;
    if (address === undefined) return 0;
    const response = this.#responder.takeResponse(now);
    if (response !== undefined) {
      this.#schedule.onResponseSent(now);
      if (response.length <= allowanceBytes) {
        into.set(response);
        return response.length;
      }
    }
    if (this.#schedule.takeTry()) {
      if (INITIATION_BYTES > allowanceBytes) this.#schedule.onHeldBack(now);
      else if (this.#initiate(now, into, address)) return INITIATION_BYTES;
    }
    if (this.#schedule.takeCopy()) {
      this.#schedule.onInitiationCopied(now);
      if (this.#mayCopy(path) && this.#copy(now, into)) return INITIATION_BYTES;
    }
    return 0;
  }

  /** A handshake is complete: the peer has received our response, or we have received its. */
  complete(): void {
    this.#schedule.stop();
    this.#responder.forgetResponse();
  }

  /** Wipes the secrets of an initiation whose tries have stopped, because a handshake of the peer's completed first
   *  (spec session 8.1). */
  wipeIdle(): void {
    if (!this.#schedule.isTrying) this.#initiator.abandon();
  }

  /** Forgets all handshakes that are in progress. */
  stop(): void {
    this.complete();
    this.#initiator.abandon();
  }

  #requestPoll(): void {
    this.#context.wantHandshake(this.#session);
  }

  #initiate(now: number, into: Uint8Array, to: Address): boolean {
    this.#schedule.beginTry(now);
    if (!this.#initiator.initiate(now, this.#session, into, to)) return false;
    this.#schedule.onInitiated(now);
    return true;
  }

  /** Whether a copy of the initiation may be sent to the path's address. If that is not proven, the use of the keys has to
   *  show which address the initiation reached, so all copies go to the same one (spec path 2). */
  #mayCopy({ address, allowanceBytes }: SessionPath): boolean {
    const isProven = allowanceBytes === Number.POSITIVE_INFINITY;
    return isProven || (INITIATION_BYTES <= allowanceBytes && sameAddress(address, this.#initiator.sentTo));
  }

  /** Writes a copy of the initiation: the same bytes, as if the network had delivered it twice (spec session 5.7). */
  #copy(now: number, into: Uint8Array): boolean {
    const message = this.#initiator.pendingMessage;
    if (message === undefined) return false;
    assert(message.length === INITIATION_BYTES, 'an initiation is kept whole');
    into.set(message);
    // Only mac2 may differ: a cookie may have arrived in the meantime.
    this.#secrets.writeMacs(now, into.subarray(0, INITIATION_BYTES));
    return true;
  }
}
