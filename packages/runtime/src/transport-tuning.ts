/** Which transport settings a client and a relay accept, and how they combine with those of the socket. */
import {
  BASE_DATAGRAM_BYTES,
  type CongestionControllerName,
  DEFAULT_MEMORY_PER_PEER_BYTES,
  MAX_PROBED_DATAGRAM_BYTES,
  type TransportConfig,
  transportFor,
} from '@underpass/protocol';
import type { DatagramSocket } from './datagram-socket.js';

export interface TransportTuning {
  /** The congestion controller; the default is bbr. */
  readonly congestion?: CongestionControllerName;
  /** How much memory one peer can make us use, in bytes (spec streams 5.5). */
  readonly memoryPerPeerBytes?: number;
}

export function transportOver(socket: DatagramSocket, tuning: TransportTuning): Partial<TransportConfig> {
  return {
    ...transportFor(tuning.memoryPerPeerBytes ?? DEFAULT_MEMORY_PER_PEER_BYTES),
    // spec mtu 1.4
    maxDatagramBytes: socket.refusesFragmentation ? MAX_PROBED_DATAGRAM_BYTES : BASE_DATAGRAM_BYTES,
    ...(tuning.congestion && { congestion: tuning.congestion }),
  };
}
