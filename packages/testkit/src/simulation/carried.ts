import type { Address } from '@underpass/protocol';
import type { Side } from './network-conditions.js';

/** Why a network lost a datagram. */
export type LossReason = 'loss' | 'burst' | 'blackout' | 'too-large' | 'queue-full';

/** One copy of a datagram that a network carries. SimulatedNetwork owns it: whoever watches reads it, and changes it
 *  only through the network's commands. */
export interface Carried {
  readonly target: Side;
  readonly from: Address;
  readonly to: Address;
  readonly bytes: Uint8Array;
  readonly sentAt: number;
  /** When its last byte has left the queue in front of the link. */
  readonly departsAt: number;
  readonly arrivesAt: number;
  /** `misdirected` if the process at the far end has another address by then. */
  readonly state: 'under-way' | 'delivered' | 'misdirected' | 'dropped';
}

/** Observes what a network does with the datagrams that it was given, without any effect on it. */
export interface CarriageWatcher {
  onCarried?(copy: Carried): void;
  /** The copy has reached the far end. `state` says what becomes of it there. */
  onArrived?(copy: Carried): void;
  onLost?(target: Side, datagram: Uint8Array, reason: LossReason): void;
}
