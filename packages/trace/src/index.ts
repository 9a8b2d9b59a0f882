/** What a tunnel sends, made readable: `dissect` explains each byte of a datagram, and `DatagramOpener` opens sealed
 *  ones with the secrets of a key log. The package does no IO and uses nothing of Node. */
export { type Description, describe, type Look } from './dissect/describe.js';
export { MessageDescriber, type MessageDescription } from './dissect/describe-message.js';
export { dissect } from './dissect/dissect.js';
export type { Dissection, DissectionKind, Field, Part } from './dissect/dissection.js';
export { DatagramOpener, MAX_OBSERVED_HANDSHAKES } from './open/datagram-opener.js';
export { Capture, type CaptureOptions } from './pcapng/capture.js';
export type { CapturedDatagram } from './pcapng/pcapng.js';
export { MAX_QLOG_PEERS, type PeerMetrics, Qlog, type QlogOptions } from './qlog/qlog.js';
export {
  MAX_SHOWN_STREAMS,
  type PeerLabel,
  type PeerSnapshot,
  type ProcessSnapshot,
  type SampledDatagram,
  type Snapshot,
  type StreamSnapshot,
  snapshotPeer,
} from './snapshot/snapshot.js';
