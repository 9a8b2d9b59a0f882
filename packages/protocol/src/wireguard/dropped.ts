/** What becomes of a datagram that has no effect. */
import { DROP_REASONS, type DropReason } from '../failure.js';

export interface Dropped {
  readonly kind: 'dropped';
  readonly reason: DropReason;
  /** A cookie reply. It must be sent at once, to the address that the datagram came from, or not at all
   *  (spec handshake 5.3). */
  readonly answer?: Uint8Array;
}

/** One result for each reason, so that a flood of dropped datagrams creates no garbage. */
const DROPPED = new Map(
  DROP_REASONS.map((reason): [DropReason, Dropped] => [reason, { kind: 'dropped', reason }]),
);

export function dropped(reason: DropReason): Dropped {
  return DROPPED.get(reason) as Dropped;
}
