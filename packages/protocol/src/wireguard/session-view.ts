import type { Deadline } from '../deadline.js';
import type { Keypair } from './keypair.js';

/** A keypair as tools show it: everything but its keys. */
export interface KeypairView {
  /** Only the current keypair is used for sending (spec session 2). */
  readonly slot: 'previous' | 'current' | 'next';
  readonly id: number;
  readonly isInitiator: boolean;
  /** The receiver index of messages to us, and of those to the peer. */
  readonly localIndex: number;
  readonly remoteIndex: number;
  /** Monotonic milliseconds. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** The counter of the next message that we send. */
  readonly nextCounter: number;
}

/** The inside of a session, for tools that show it. */
export interface SessionView {
  readonly keypairs: readonly KeypairView[];
  /** All timers that are set. */
  readonly timers: readonly Deadline[];
}

export function viewKeypair(slot: KeypairView['slot'], keypair: Keypair): KeypairView {
  const { id, isInitiator, localIndex, remoteIndex, createdAt, expiresAt, nextCounter } = keypair;
  return { slot, id, isInitiator, localIndex, remoteIndex, createdAt, expiresAt, nextCounter };
}
