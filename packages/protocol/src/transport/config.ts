/** The settings of a connection. The limits on memory follow from one number (memory-budget.ts). */
import type { CongestionControllerName } from './congestion/controller.js';
import { BASE_DATAGRAM_BYTES, MAX_RECEIVED_DATAGRAM_BYTES } from './limits.js';
import { DEFAULT_MEMORY_PER_PEER_BYTES, type MemoryLimits, transportFor } from './memory-budget.js';

/** Sizes are in bytes, times in milliseconds. */
export interface TransportConfig extends MemoryLimits {
  readonly congestion: CongestionControllerName;
  /** The size of a full datagram on a path about which nothing is known: bytes of UDP payload, a multiple of 16 ... */
  readonly datagramBytes: number;
  /** ... and the largest size that the search for the path MTU tries. If the two are equal, there is no search
   *  (spec mtu 1.3). */
  readonly maxDatagramBytes: number;
  /** The largest datagram that we accept, as our HELLO states it. */
  readonly maxReceivedDatagramBytes: number;
  /** If a peer with open streams is not heard for this long, its streams are reset; Infinity for never
   *  (spec outage 4). */
  readonly maxSilenceMs: number;
  /** The name of this software, as our HELLO states it: at most 64 bytes of printable ASCII. */
  readonly softwareName: string;
}

/** The settings of the program when its owner has configured nothing. They are for a socket that lets the system
 *  fragment datagrams, so no larger datagrams are tried. */
export const DEFAULT_TRANSPORT: TransportConfig = {
  congestion: 'bbr',
  datagramBytes: BASE_DATAGRAM_BYTES,
  maxDatagramBytes: BASE_DATAGRAM_BYTES,
  maxReceivedDatagramBytes: MAX_RECEIVED_DATAGRAM_BYTES,
  ...transportFor(DEFAULT_MEMORY_PER_PEER_BYTES),
  maxSilenceMs: Number.POSITIVE_INFINITY,
  softwareName: 'underpass/0.1.0',
};
