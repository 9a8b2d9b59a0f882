/** Which run of each process a packet belongs to (spec streams 3). */
import { EPOCH_BYTES, MAX_ENDED_EPOCHS } from './limits.js';
import type { Hello } from './wire/frames.js';

const NO_EPOCH = new Uint8Array(EPOCH_BYTES);

/** What a HELLO means:
 *  - `known`: the peer that we know; its keypair is now bound
 *  - `first`: the first word of a peer
 *  - `restarted`: the peer is a new run: the old connection is over
 *  - `returned`: an epoch that another one has ended: two processes use the peer's key (spec streams 3.7)
 *  - `not-for-us`: it was meant for an earlier run of ours
 *  - `stale`: a late word of an earlier run of the peer
 *  - `violation`: another epoch under a keypair that is bound */
export type HelloMeaning =
  | 'known'
  | 'first'
  | 'restarted'
  | 'returned'
  | 'not-for-us'
  | 'stale'
  | 'violation';

/** Keypairs that a peer can hold at one time, and one more for a handshake in between. */
const MAX_BOUND_KEYPAIRS = 4;

export class Epochs {
  readonly own: Uint8Array;
  #peer: Uint8Array | undefined;
  /** The greatest id of a keypair that was ever bound. */
  #newestBound = -1;
  /** Epochs of the peer that ended because another began, newest last. */
  readonly #ended: Uint8Array[] = [];
  /** Epoch that each keypair is bound to, newest last. */
  readonly #bound: { keypairId: number; epoch: Uint8Array }[] = [];

  constructor(own: Uint8Array) {
    this.own = own;
  }

  get isPeerKnown(): boolean {
    return this.#peer !== undefined;
  }
  /** What our HELLO expects the peer to be. */
  get expected(): Uint8Array {
    return this.#peer ?? NO_EPOCH;
  }

  /** Judges a HELLO without any effect. */
  judge(keypairId: number, hello: Hello): HelloMeaning {
    // spec streams 3.3
    if (!same(hello.expectedEpoch, NO_EPOCH) && !same(hello.expectedEpoch, this.own)) return 'not-for-us';
    const bound = this.#boundTo(keypairId);
    if (bound !== undefined && !same(bound, hello.epoch)) return 'violation';
    if (this.#peer === undefined) return 'first';
    if (same(this.#peer, hello.epoch)) return 'known';
    // Keypair ids grow: what comes under one older than the newest bound one is from before the restart.
    if (keypairId < this.#newestBound) return 'stale';
    return this.#ended.some((epoch) => same(epoch, hello.epoch)) ? 'returned' : 'restarted';
  }

  /** spec streams 3.2: the keypair speaks for this epoch from now on. @returns whether it did not before */
  bind(keypairId: number, hello: Hello): boolean {
    if (this.#peer !== undefined && !same(this.#peer, hello.epoch)) {
      this.#ended.push(this.#peer);
      if (this.#ended.length > MAX_ENDED_EPOCHS) this.#ended.shift();
    }
    this.#peer = hello.epoch;
    if (this.#boundTo(keypairId) !== undefined) return false;
    this.#newestBound = Math.max(this.#newestBound, keypairId);
    this.#bound.push({ keypairId, epoch: hello.epoch });
    if (this.#bound.length > MAX_BOUND_KEYPAIRS) this.#bound.shift();
    return true;
  }

  /** @returns `unbound`, `current`, or `stale` when the keypair speaks for an earlier run (spec streams 3.4) */
  standing(keypairId: number): 'unbound' | 'current' | 'stale' {
    const bound = this.#boundTo(keypairId);
    if (bound === undefined) return 'unbound';
    return same(bound, this.expected) ? 'current' : 'stale';
  }

  #boundTo(keypairId: number): Uint8Array | undefined {
    return this.#bound.find((entry) => entry.keypairId === keypairId)?.epoch;
  }
}

/** Epochs are random labels, not secrets: an ordinary comparison. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < EPOCH_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}
