/** The settings of a connection. limits.ts has the default of every number. */
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

/** Sizes are in bytes, times in milliseconds. */
export interface TransportConfig {
  readonly congestion: CongestionControllerName;
  /** The size of a full datagram on a path about which nothing is known: bytes of UDP payload, a multiple of 16 ... */
  readonly datagramBytes: number;
  /** ... and the largest size that the search for the path MTU tries. If the two are equal, there is no search
   *  (spec mtu 1.3). */
  readonly maxDatagramBytes: number;
  /** The largest datagram that we accept, as our HELLO states it. */
  readonly maxReceivedDatagramBytes: number;
  readonly connectionWindowBytes: number;
  readonly maxStreamWindowBytes: number;
  readonly maxOpenStreams: number;
  readonly sendBufferBytes: number;
  readonly minStreamSendBufferBytes: number;
  /** If a peer with open streams is not heard for this long, its streams are reset; Infinity for never
   *  (spec outage 4). */
  readonly maxSilenceMs: number;
  /** The name of this software, as our HELLO states it: at most 64 bytes of printable ASCII. */
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
