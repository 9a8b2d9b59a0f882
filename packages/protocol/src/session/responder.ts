/** Our answers to one peer's handshakes (spec handshake 3.3 to 3.5). */

import { HANDSHAKE_INITIATION_INTERVAL_MS } from '../constants.js';
import { copyBytes } from '../copy-bytes.js';
import { wipe } from '../crypto/bytes.js';
import { KEY_BYTES } from '../crypto/suite.js';
import type { DropReason } from '../failure.js';
import type { HandshakeState } from '../handshake/noise.js';
import { createResponse } from '../handshake/response.js';
import { RESPONSE_BYTES } from '../wire/messages.js';
import { compareTai64n } from '../wire/tai64n.js';
import type { IndexEntry, SessionContext } from './context.js';
import { Keypair } from './keypair.js';
import type { PeerSecrets } from './peer-secrets.js';

export class Responder {
  readonly #context: SessionContext;
  readonly #secrets: PeerSecrets;
  /** In memory only: it does not survive a restart, and neither do the keys a replay could be aimed at. */
  #greatestTimestamp: Uint8Array | undefined;
  #lastAdmittedAt = Number.NEGATIVE_INFINITY;
  #response: Uint8Array | undefined;
  #isResponseDue = false;

  constructor(context: SessionContext, secrets: PeerSecrets) {
    this.#context = context;
    this.#secrets = secrets;
  }

  /** Whether an initiation that authenticated is new, and not too soon; it then counts as seen.
   *  @returns why it is dropped, or undefined */
  admit(now: number, timestamp: Uint8Array): DropReason | undefined {
    if (this.#greatestTimestamp !== undefined && compareTai64n(timestamp, this.#greatestTimestamp) <= 0) {
      return 'replayed-handshake';
    }
    if (now - this.#lastAdmittedAt <= HANDSHAKE_INITIATION_INTERVAL_MS) return 'handshake-flood';
    this.#greatestTimestamp = copyBytes(timestamp);
    this.#lastAdmittedAt = now;
    return undefined;
  }

  /** Prepares message 2 for `takeResponse` and makes the keypair.
   *  @returns undefined when a Diffie-Hellman result is all zero */
  respond(
    now: number,
    owner: IndexEntry['peer'],
    state: HandshakeState,
    remoteIndex: number,
  ): Keypair | undefined {
    const { suite, random, indices } = this.#context;
    const entry: IndexEntry = { peer: owner, keypair: undefined };
    const localIndex = indices.add(entry);
    const ephemeralPrivate = copyBytes(random(KEY_BYTES));
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

  /** The other side has it, or has begun anew. */
  forgetResponse(): void {
    this.#response = undefined;
    this.#isResponseDue = false;
  }
}
