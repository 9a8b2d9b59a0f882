import type { DatagramCounts } from './streams/datagram-counts.js';

/** Those statistics that are added up over the connections with a peer. */
export interface ConnectionTotals {
  readonly streamBytesSent: number;
  readonly streamBytesReceived: number;
  /** Packets that the peer has to acknowledge. Only their loss is noticed, so `packetsLost` is a share of these. */
  readonly packetsSent: number;
  readonly packetsLost: number;
}

/** Statistics about a connection. */
export interface ConnectionStats extends ConnectionTotals {
  /** The name of the peer's software; undefined before HELLO. */
  readonly software: string | undefined;
  /** The smoothed round trip of the path; undefined before the first sample. */
  readonly smoothedRttMs: number | undefined;
  readonly congestionWindowBytes: number;
  readonly bytesInFlight: number;
  readonly openStreams: number;
  /** How many bytes have arrived and were not read. */
  readonly unreadBytes: number;
  /** How many bytes were written and are not acknowledged. */
  readonly unacknowledgedBytes: number;
  /** How many separate pieces of written bytes are lost, or acknowledged beyond a gap (spec streams 5.7). */
  readonly notedPieces: number;
  /** How many sent packets are remembered. */
  readonly rememberedPackets: number;
  readonly flowDatagrams: DatagramCounts;
}
