/** The conditions of a simulated network, and the addresses on it. */
import type { Address } from '@underpass/protocol';

export type Side = 'client' | 'relay';
export const SIDES = ['client', 'relay'] as const;

export function other(side: Side): Side {
  return side === 'client' ? 'relay' : 'client';
}

/** The conditions in one direction. Chances are per datagram. */
export interface LinkConditions {
  readonly delayMs: number;
  /** The largest additional delay of each datagram. If it exceeds the gap between two datagrams they may be
   *  reordered. */
  readonly jitterMs: number;
  /** Changes the delay of all datagrams together, so that they keep their order. */
  readonly wander: Wander | undefined;
  /** Some datagrams take longer, by up to this much. */
  readonly stragglerChance: number;
  readonly stragglerMs: number;
  readonly lossChance: number;
  /** Bursts of loss: how often they begin, and the longest time for which everything is lost. */
  readonly burstChance: number;
  readonly burstMs: number;
  /** A second copy arrives, up to `duplicateDelayMs` later. */
  readonly duplicateChance: number;
  readonly duplicateDelayMs: number;
  /** Bits are flipped, or the length changes. */
  readonly corruptionChance: number;
  /** A stranger who sees the datagram sends a similar one. */
  readonly forgeryChance: number;
  /** An attacker on the path sends a copy from another address, up to `replayDelayMs` later. It may overtake the
   *  original. */
  readonly replayChance: number;
  readonly replayDelayMs: number;
  /** Undefined means no limit. */
  readonly bytesPerMs: number | undefined;
  /** How much may wait at that rate; more is lost. */
  readonly queueBytes: number;
  /** Intervals in which nothing passes. */
  readonly blackouts: readonly Interval[];
  /** The largest datagram that passes whole, from each moment on. Larger ones are fragmented, or silently lost where
   *  that is forbidden. */
  readonly pathBytes: readonly { readonly from: number; readonly maxBytes: number }[];
}

/** A delay that changes smoothly, by at most `spreadMs` above and below `delayMs`. */
export interface Wander {
  readonly spreadMs: number;
  /** The period of a sine wave. Undefined for straight lines between random values. */
  readonly periodMs: number | undefined;
}

export interface Interval {
  readonly from: number;
  readonly until: number;
}

export const PERFECT_LINK: LinkConditions = {
  delayMs: 10,
  jitterMs: 0,
  wander: undefined,
  stragglerChance: 0,
  stragglerMs: 0,
  lossChance: 0,
  burstChance: 0,
  burstMs: 0,
  duplicateChance: 0,
  duplicateDelayMs: 0,
  corruptionChance: 0,
  forgeryChance: 0,
  replayChance: 0,
  replayDelayMs: 0,
  bytesPerMs: undefined,
  queueBytes: 0,
  blackouts: [],
  pathBytes: [],
};

/** From `at` on the client has another address, and datagrams to the old one are lost. */
export interface Move {
  readonly at: number;
  readonly address: Address;
}

export interface NetworkConditions {
  /** The client's first address; the default is CLIENT_ADDRESS. */
  readonly clientAddress?: Address;
  /** The source address of replayed copies; the default is REPLAYER_ADDRESS. */
  readonly replayerAddress?: Address;
  readonly toRelay: LinkConditions;
  readonly toClient: LinkConditions;
  readonly moves: readonly Move[];
}

export const PERFECT_NETWORK: NetworkConditions = {
  toRelay: PERFECT_LINK,
  toClient: PERFECT_LINK,
  moves: [],
};

export const CLIENT_ADDRESS: Address = { address: '192.0.2.1', port: 40_000 };
export const RELAY_ADDRESS: Address = { address: '198.51.100.1', port: 51_820 };
/** The source address of forgeries. No process ever has a reason to send there. */
export const STRANGER_ADDRESS: Address = { address: '203.0.113.66', port: 666 };
export const REPLAYER_ADDRESS: Address = { address: '203.0.113.200', port: 4_444 };
