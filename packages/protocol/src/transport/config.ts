/** What a connection may be told to do differently. Every number has a default in transport-constants.ts. */
import type { CongestionControllerName } from './congestion/controller.js';
import {
  BASE_DATAGRAM_BYTES,
  CONNECTION_WINDOW_BYTES,
  MAX_OPEN_STREAMS,
  MAX_RECEIVED_DATAGRAM_BYTES,
  MAX_STREAM_WINDOW_BYTES,
  MIN_STREAM_SEND_BUFFER_BYTES,
  SEND_BUFFER_BYTES,
} from './limits.js';

export interface TransportConfig {
  readonly congestion: CongestionControllerName;
  /** UDP payload of a full datagram on a path of which nothing is known, a multiple of 16 ... */
  readonly datagramBytes: number;
  /** ... and the most that the search for the path's MTU tries; the same switches it off (spec mtu 2). */
  readonly maxDatagramBytes: number;
  /** The largest datagram that we take, stated in HELLO. */
  readonly maxReceivedDatagramBytes: number;
  readonly connectionWindowBytes: number;
  readonly maxStreamWindowBytes: number;
  readonly maxOpenStreams: number;
  readonly sendBufferBytes: number;
  readonly minStreamSendBufferBytes: number;
  /** Streams of a peer that was not heard of for so long are reset; infinite: never. */
  readonly maxSilenceMs: number;
  /** Stated in HELLO, at most 64 bytes of printable ASCII. */
  readonly softwareName: string;
}

export const DEFAULT_TRANSPORT: TransportConfig = {
  congestion: 'bbr',
  datagramBytes: BASE_DATAGRAM_BYTES,
  maxDatagramBytes: BASE_DATAGRAM_BYTES,
  maxReceivedDatagramBytes: MAX_RECEIVED_DATAGRAM_BYTES,
  connectionWindowBytes: CONNECTION_WINDOW_BYTES,
  maxStreamWindowBytes: MAX_STREAM_WINDOW_BYTES,
  maxOpenStreams: MAX_OPEN_STREAMS,
  sendBufferBytes: SEND_BUFFER_BYTES,
  minStreamSendBufferBytes: MIN_STREAM_SEND_BUFFER_BYTES,
  maxSilenceMs: Number.POSITIVE_INFINITY,
  softwareName: 'underpass/0.1.0',
};
