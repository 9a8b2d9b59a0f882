/** Our answers to one peer's handshakes (spec handshake 3.3 to 3.5). */

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

export class Responder<S> {
  readonly #context: SessionContext<S>;
  readonly #secrets: PeerSecrets;
  /** In memory only: it does not survive a restart, and neither do the keys a replay could be aimed at. */
  readonly #seen = new SeenStamps();
  #clockReportedAt = Number.NEGATIVE_INFINITY;
  #lastAdmittedAt = Number.NEGATIVE_INFINITY;
  #response: Uint8Array | undefined;
  #isResponseDue = false;

  constructor(context: SessionContext<S>, secrets: PeerSecrets) {
    this.#context = context;
    this.#secrets = secrets;
  }

  /** Whether an initiation that authenticated is new, and not too soon; it then counts as seen.
   *  @returns why it is dropped, or undefined */
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

  /** Prepares message 2 for `takeResponse` and makes the keypair.
   *  @returns undefined when a Diffie-Hellman result is all zero */
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

  /** Message 2, if one waits to be sent. A copy carries the mac2 of a cookie that came meanwhile. */
  takeResponse(now: number): Uint8Array | undefined {
    const response = this.#response;
    if (!this.#isResponseDue || response === undefined) return undefined;
    this.#isResponseDue = false;
    this.#secrets.writeMacs(now, response);
    return response;
  }

  /** The same message 2 once more (spec session 5.7). */
  repeatResponse(): void {
    this.#isResponseDue = this.#response !== undefined;
  }

  /** The other side has it, or has started another handshake. */
  forgetResponse(): void {
    this.#response = undefined;
    this.#isResponseDue = false;
  }

  /** spec handshake 7: copies and reordered initiations are a few seconds old, a clock that went back is further behind. */
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
