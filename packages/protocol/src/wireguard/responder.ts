import { drawSecret, wipe } from '../crypto/bytes.js';
import { KEY_BYTES } from '../crypto/suite.js';
import type { DropReason } from '../failure.js';
import { CLOCK_BEHIND_MS, CLOCK_BEHIND_SILENCE_MS, HANDSHAKE_INITIATION_INTERVAL_MS } from './constants.js';
import type { IndexEntry, SessionContext } from './context.js';
import { Keypair } from './keypair.js';
import { RESPONSE_BYTES } from './messages.js';
import type { HandshakeState } from './noise.js';
import type { PeerSecrets } from './peer-secrets.js';
import { createResponse } from './response.js';
import { SeenStamps } from './seen-stamps.js';
import { unixMsFromTai64n } from './tai64n.js';

/** Our responses to the handshakes that one peer initiates (spec handshake 3.3 to 3.5).
 *
 *  It decides whether an initiation is new, computes the response, and makes the keypair. It owns the timestamps that
 *  it has accepted and the last response, which it keeps for copies until the handshake is complete. Handshakes calls
 *  it, after the initiation has authenticated. The responder never decides when a response is sent, and never keeps the
 *  keypair. */
export class Responder<S> {
  readonly #context: SessionContext<S>;
  readonly #secrets: PeerSecrets;
  /** Kept in memory alone. A restart forgets it, but a replay is then harmless: the keys that it was meant for are gone
   *  too. */
  readonly #seen = new SeenStamps();
  /** When the peer's clock was last reported to be behind. */
  #clockReportedAt = Number.NEGATIVE_INFINITY;
  #lastAdmittedAt = Number.NEGATIVE_INFINITY;
  #response: Uint8Array | undefined;
  #isResponseDue = false;

  constructor(context: SessionContext<S>, secrets: PeerSecrets) {
    this.#context = context;
    this.#secrets = secrets;
  }

  /** Decides whether to accept an initiation that has authenticated: its timestamp must be new, and it must not come
   *  too soon after the last one. If it is accepted, its timestamp counts as seen.
   *  @param timestamp an encoded TAI64N timestamp, 12 bytes
   *  @returns why the initiation is dropped, or undefined */
  admit(now: number, session: S, timestamp: Uint8Array): DropReason | undefined {
    const clockMs = this.#context.unixTimeMs();
    if (!this.#seen.isNew(timestamp, clockMs)) {
      this.#reportClock(now, session, timestamp);
      return 'replayed-handshake';
    }
    if (now - this.#lastAdmittedAt <= HANDSHAKE_INITIATION_INTERVAL_MS) return 'handshake-flood';
    this.#seen.add(timestamp, clockMs);
    this.#lastAdmittedAt = now;
    return undefined;
  }

  /** Responds to an initiation that was accepted: makes the keypair, and a message 2 for `takeResponse`.
   *  @param state the handshake after message 1; wiped
   *  @param remoteIndex the initiation's sender index
   *  @returns undefined if a Diffie-Hellman result is all zero */
  respond(now: number, session: S, state: HandshakeState, remoteIndex: number): Keypair | undefined {
    const { suite, random, indices } = this.#context;
    const entry: IndexEntry<S> = { session, keypair: undefined };
    const localIndex = indices.add(entry);
    const ephemeralPrivate = drawSecret(random, KEY_BYTES);
    this.#secrets.logHandshake(ephemeralPrivate);
    const response = new Uint8Array(RESPONSE_BYTES);
    const { presharedKey } = this.#secrets;
    const keys = createResponse(
      { state, presharedKey, ephemeralPrivate, senderIndex: localIndex, receiverIndex: remoteIndex },
      response,
    );
    wipe(ephemeralPrivate);
    if (keys === undefined) {
      indices.delete(localIndex);
      return undefined;
    }
    this.#response = response;
    this.#isResponseDue = true;
    entry.keypair = new Keypair(suite, keys, {
      id: this.#context.nextKeypairId(),
      createdAt: now,
      isInitiator: false,
      localIndex,
      remoteIndex,
    });
    return entry.keypair;
  }

  /** Takes the message 2 that is due, if there is one, and writes its macs. Copies differ in mac2 alone, and only if a
   *  cookie has arrived in between. */
  takeResponse(now: number): Uint8Array | undefined {
    const response = this.#response;
    if (!this.#isResponseDue || response === undefined) return undefined;
    this.#isResponseDue = false;
    this.#secrets.writeMacs(now, response);
    return response;
  }

  /** Makes a copy of the last message 2 due, unless it is no longer needed (spec session 5.7). */
  repeatResponse(): void {
    this.#isResponseDue = this.#response !== undefined;
  }

  /** Forgets the response: a handshake is complete, or all of them are stopped. */
  forgetResponse(): void {
    this.#response = undefined;
    this.#isResponseDue = false;
  }

  /** Reports that the peer's clock went back, if the refused timestamp is far enough behind (spec handshake 7). Copies
   *  and reordered initiations are only a few seconds behind. */
  #reportClock(now: number, session: S, timestamp: Uint8Array): void {
    const { floor } = this.#seen;
    if (floor === undefined) return;
    const clockMs = unixMsFromTai64n(timestamp);
    const earlierClockMs = unixMsFromTai64n(floor);
    if (earlierClockMs - clockMs < CLOCK_BEHIND_MS) return;
    if (now - this.#clockReportedAt < CLOCK_BEHIND_SILENCE_MS) return;
    this.#clockReportedAt = now;
    this.#context.news.addClockBehind(session, clockMs, earlierClockMs);
  }
}
