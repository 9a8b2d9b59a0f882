/** What an endpoint reports of one peer. */
import type { Address } from '../address.js';
import type { ConnectionStats } from '../transport/connection.js';
import type { SessionStats } from '../wireguard/session.js';

/** The numbers of the session and of the connection, which count from the moment the peer was added. */
export interface PeerStats extends Readonly<SessionStats>, ConnectionStats {
  /** Where datagrams to the peer go now. */
  readonly address: Address | undefined;
  /** HELLO of the present run of the peer arrived. */
  readonly connected: boolean;
  /** When the answer came due that has not come for so long that connections wait (monotonic ms), or undefined. */
  readonly waitingSince: number | undefined;
}

/** Of a peer that was never heard of. */
export const NO_CONNECTION: ConnectionStats = {
  software: undefined,
  smoothedRttMs: undefined,
  streamBytesSent: 0,
  streamBytesReceived: 0,
  packetsLost: 0,
  congestionWindowBytes: 0,
  bytesInFlight: 0,
  openStreams: 0,
  unreadBytes: 0,
  unacknowledgedBytes: 0,
  notedPieces: 0,
  rememberedPackets: 0,
};
