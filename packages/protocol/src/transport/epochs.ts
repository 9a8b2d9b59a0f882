import { EPOCH_BYTES, MAX_ENDED_EPOCHS } from './limits.js';
import type { Hello } from './wire/frames.js';

const NO_EPOCH = new Uint8Array(EPOCH_BYTES);

/** What a HELLO means:
 *  - `known`: it is of the peer's current run
 *  - `first`: it is the first HELLO of a peer
 *  - `restarted`: the peer has restarted, so the old connection is over
 *  - `returned`: it has an epoch that another one has ended, so two processes use the peer's key (spec streams 3.7)
 *  - `not-for-us`: it was meant for an earlier run of our side
 *  - `stale`: it comes late, from an earlier run of the peer
 *  - `violation`: its keypair is bound to another epoch */
export type HelloMeaning =
  | 'known'
  | 'first'
  | 'restarted'
  | 'returned'
  | 'not-for-us'
  | 'stale'
  | 'violation';

/** A peer can hold three keypairs at one time. One more is for a handshake in between. */
const MAX_BOUND_KEYPAIRS = 4;

/** Knows which run of each process a packet belongs to (spec streams 3).
 *
 *  An _epoch_ is 8 random bytes that identify one run of one side of a connection. A HELLO states both epochs, and
 *  binds the keypair that it arrives under to the sender's epoch. Every later packet under that keypair then belongs to
 *  that epoch.
 *
 *  The object owns our own epoch, the peer's current one, the last few that ended, and the bindings of keypairs. Its
 *  owner asks `judge` what a HELLO means, and calls `bind` if it accepts it. It never ends or starts a connection. */
export class Epochs {
  /** The epoch of our own side. */
  readonly own: Uint8Array;
  /** The current epoch of the peer. */
  #peer: Uint8Array | undefined;
  /** The greatest id of a keypair that was ever bound. A newer keypair has a greater id. */
  #newestBound = -1;
  /** The last epochs of the peer that ended because another began, the newest last. */
  readonly #ended: Uint8Array[] = [];
  /** The epoch that each keypair is bound to, the newest last. */
  readonly #bound: { keypairId: number; epoch: Uint8Array }[] = [];

  constructor(own: Uint8Array) {
    this.own = own;
  }

  /** Whether a HELLO of the peer was accepted. */
  get isPeerKnown(): boolean {
    return this.#peer !== undefined;
  }
  /** The peer's epoch as our HELLO states it: all zero if we do not know it. */
  get expected(): Uint8Array {
    return this.#peer ?? NO_EPOCH;
  }

  /** Says what a HELLO means. This has no effect.
   *  @param keypairId the keypair that it arrived under */
  judge(keypairId: number, hello: Hello): HelloMeaning {
    // It was meant for an earlier run of our side (spec streams 3.3).
    if (expectsAnEpoch(hello) && !same(hello.expectedEpoch, this.own)) return 'not-for-us';
    const bound = this.#boundTo(keypairId);
    if (bound !== undefined && !same(bound, hello.epoch)) return 'violation';
    if (this.#peer === undefined) return 'first';
    if (same(this.#peer, hello.epoch)) return 'known';
    // A packet under a keypair older than the newest bound one is from before the restart.
    if (keypairId < this.#newestBound) return 'stale';
    return this.#ended.some((epoch) => same(epoch, hello.epoch)) ? 'returned' : 'restarted';
  }

  /** Accepts a HELLO: binds the keypair to its epoch (spec streams 3.2).
   *  @returns whether the keypair was not bound before */
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

  /** Says which run of the peer a packet under this keypair belongs to: the current one, an earlier one (`stale`,
   *  spec streams 3.4), or unknown (`unbound`). */
  standing(keypairId: number): 'unbound' | 'current' | 'stale' {
    const bound = this.#boundTo(keypairId);
    if (bound === undefined) return 'unbound';
    return same(bound, this.expected) ? 'current' : 'stale';
  }

  #boundTo(keypairId: number): Uint8Array | undefined {
    return this.#bound.find((entry) => entry.keypairId === keypairId)?.epoch;
  }
}

/** Whether the sender of a HELLO knew an epoch of its receiver. */
export function expectsAnEpoch({ expectedEpoch }: Hello): boolean {
  return !same(expectedEpoch, NO_EPOCH);
}

/** An ordinary comparison, because epochs are random labels and not secrets. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < EPOCH_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}
