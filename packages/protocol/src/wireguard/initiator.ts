/** Our own handshakes with one peer: the cryptography of the one that waits for its response (spec handshake 2, 3). */

import { copyBytes } from '../copy-bytes.js';
import { drawSecret, wipe } from '../crypto/bytes.js';
import { KEY_BYTES } from '../crypto/suite.js';
import type { DropReason } from '../failure.js';
import { readUint32 } from '../little-endian.js';
import type { IndexEntry, SessionContext } from './context.js';
import { createInitiation } from './initiation.js';
import { Keypair } from './keypair.js';
import { INITIATION_BYTES, ResponseOffset } from './messages.js';
import type { HandshakeState } from './noise.js';
import type { PeerSecrets } from './peer-secrets.js';
import { consumeResponse } from './response.js';
import { encodeTai64n, nextTai64n, type Tai64n } from './tai64n.js';

interface Pending {
  readonly state: HandshakeState;
  readonly localIndex: number;
  readonly sentAt: number;
  readonly message: Uint8Array;
}

/** At most one handshake of ours is under way: a new initiation takes the place of the one before, whose response then comes too late.
 *  Its message is kept so that copies of it can be sent; its timestamps only rise, whatever the clock does. */
export class Initiator<S> {
  readonly #context: SessionContext<S>;
  readonly #secrets: PeerSecrets;
  #pending: Pending | undefined;
  #lastTimestamp: Tai64n | undefined;

  constructor(context: SessionContext<S>, secrets: PeerSecrets) {
    this.#context = context;
    this.#secrets = secrets;
  }

  /** Writes message 1 and waits for its response instead of for an earlier one's.
   *  @param into at least 148 bytes
   *  @returns false when the peer's key cannot be talked to (spec handshake 1.3) */
  initiate(now: number, session: S, into: Uint8Array): boolean {
    this.abandon();
    const { suite, random, local, indices } = this.#context;
    const { publicKey, staticStatic } = this.#secrets;
    if (staticStatic === undefined) return false;
    this.#lastTimestamp = nextTai64n(this.#lastTimestamp, this.#context.unixTimeMs());
    const localIndex = indices.add({ session, keypair: undefined });
    const ephemeralPrivate = drawSecret(random, KEY_BYTES);
    this.#secrets.logHandshake(ephemeralPrivate);
    const timestamp = encodeTai64n(this.#lastTimestamp);
    const state = createInitiation(
      {
        suite,
        local,
        remotePublicKey: publicKey,
        staticStatic,
        ephemeralPrivate,
        senderIndex: localIndex,
        timestamp,
      },
      into,
    );
    wipe(ephemeralPrivate);
    if (state === undefined) {
      indices.delete(localIndex);
      return false;
    }
    this.#secrets.writeMacs(now, into.subarray(0, INITIATION_BYTES));
    const message = copyBytes(into.subarray(0, INITIATION_BYTES));
    this.#pending = { state, localIndex, sentAt: now, message };
    return true;
  }

  /** Reads message 2, whose length, mac1 and receiver index were checked. */
  complete(now: number, message: Uint8Array): { keypair: Keypair; roundTripMs: number } | DropReason {
    const pending = this.#pending;
    if (pending?.localIndex !== readUint32(message, ResponseOffset.receiverIndex)) {
      return 'unexpected-handshake';
    }
    const { suite, indices } = this.#context;
    const keys = consumeResponse(pending.state, this.#secrets.presharedKey, message);
    if (keys === undefined) return 'handshake-failed';
    this.#pending = undefined;
    const { localIndex } = pending;
    const keypair = new Keypair(suite, keys, {
      id: this.#context.nextKeypairId(),
      createdAt: now,
      isInitiator: true,
      localIndex,
      remoteIndex: readUint32(message, ResponseOffset.senderIndex),
    });
    (indices.get(localIndex) as IndexEntry<S>).keypair = keypair;
    return { keypair, roundTripMs: now - pending.sentAt };
  }

  /** Message 1 that waits for its response. */
  get pendingMessage(): Uint8Array | undefined {
    return this.#pending?.message;
  }

  /** Forgets the handshake that waits for its response. */
  abandon(): void {
    if (this.#pending === undefined) return;
    this.#pending.state.wipe();
    this.#context.indices.delete(this.#pending.localIndex);
    this.#pending = undefined;
  }
}
