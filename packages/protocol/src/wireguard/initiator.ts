import type { Address } from '../address.js';
import { copyBytes } from '../copy-bytes.js';
import { drawSecret, wipe } from '../crypto/bytes.js';
import { KEY_BYTES } from '../crypto/suite.js';
import type { DropReason } from '../failure.js';
import { readUint32 } from '../little-endian.js';
import { REJECT_AFTER_TIME_MS } from './constants.js';
import type { IndexEntry, SessionContext } from './context.js';
import { createInitiation } from './initiation.js';
import { Keypair } from './keypair.js';
import { INITIATION_BYTES, ResponseOffset } from './messages.js';
import type { HandshakeState } from './noise.js';
import type { PeerSecrets } from './peer-secrets.js';
import { consumeResponse } from './response.js';
import { encodeTai64n, nextTai64n, type Tai64n } from './tai64n.js';

/** A handshake that is waiting for its response. */
interface Pending {
  readonly state: HandshakeState;
  readonly localIndex: number;
  readonly sentAt: number;
  readonly to: Address;
  /** Message 1 as it was sent, from which copies are made. */
  readonly message: Uint8Array;
}

/** The handshakes that we initiate with one peer (spec handshake 2, 3).
 *
 *  At most one is in progress. A new initiation replaces the one before it, whose response is then dropped. The
 *  initiator owns the secrets of the handshake, its index, and its message, from which copies are made. It also
 *  remembers the last timestamp it sent, because timestamps must rise even when the clock goes back.
 *
 *  Handshakes calls it. It never decides when to send, and it never keeps a keypair: a completed handshake leaves the
 *  keypair and its index to the session. */
export class Initiator<S> {
  readonly #context: SessionContext<S>;
  readonly #secrets: PeerSecrets;
  #pending: Pending | undefined;
  #lastTimestamp: Tai64n | undefined;

  constructor(context: SessionContext<S>, secrets: PeerSecrets) {
    this.#context = context;
    this.#secrets = secrets;
  }

  /** Starts a new handshake in place of the last one, and writes its message 1.
   *  @param into at least 148 bytes
   *  @param to where it will go first; copies may go elsewhere once the peer's address is proven
   *  @returns false if no handshake with this peer's key is possible (spec handshake 1.3) */
  initiate(now: number, session: S, into: Uint8Array, to: Address): boolean {
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
    this.#pending = { state, localIndex, sentAt: now, to, message };
    return true;
  }

  /** Completes the handshake with a message 2 whose length and mac1 were checked and whose receiver index belongs to
   *  this session. The keypair is as old as the initiation, because the responder's may be (spec session 5.1).
   *  @returns the new keypair, and the time in ms since its initiation was first sent; or why the message is dropped. A
   *    message that does not authenticate leaves the handshake waiting (spec handshake 3.5). */
  complete(now: number, message: Uint8Array): { keypair: Keypair; roundTripMs: number } | DropReason {
    const pending = this.#pending;
    if (pending?.localIndex !== readUint32(message, ResponseOffset.receiverIndex)) {
      return 'unexpected-handshake';
    }
    const roundTripMs = now - pending.sentAt;
    if (roundTripMs >= REJECT_AFTER_TIME_MS) return 'unexpected-handshake';
    const { suite, indices } = this.#context;
    const keys = consumeResponse(pending.state, this.#secrets.presharedKey, message);
    if (keys === undefined) return 'handshake-failed';
    this.#pending = undefined;
    const { localIndex } = pending;
    const keypair = new Keypair(suite, keys, {
      id: this.#context.nextKeypairId(),
      createdAt: pending.sentAt,
      isInitiator: true,
      localIndex,
      remoteIndex: readUint32(message, ResponseOffset.senderIndex),
    });
    keypair.reachedAt = pending.to;
    (indices.get(localIndex) as IndexEntry<S>).keypair = keypair;
    return { keypair, roundTripMs };
  }

  /** The message 1 that is waiting for its response, if there is one. */
  get pendingMessage(): Uint8Array | undefined {
    return this.#pending?.message;
  }

  /** Where that message went first. */
  get sentTo(): Address | undefined {
    return this.#pending?.to;
  }

  /** Wipes and forgets the handshake that is waiting for its response, if there is one. */
  abandon(): void {
    if (this.#pending === undefined) return;
    this.#pending.state.wipe();
    this.#context.indices.delete(this.#pending.localIndex);
    this.#pending = undefined;
  }
}
