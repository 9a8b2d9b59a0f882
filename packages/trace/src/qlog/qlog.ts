/** Event logs in the qlog format, version 0.3, which qvis shows (draft-ietf-quic-qlog-main-schema-03). */
import {
  type Address,
  announcedVarintLength,
  type CryptoSuite,
  classifyMessage,
  HEADER_BYTES,
  InitiationOffset,
  MessageType,
  PACKET_TYPE,
  ResponseOffset,
  readUint32,
  readVarint,
  TAG_BYTES,
} from '@underpass/protocol';
import { DatagramOpener } from '../open/datagram-opener.js';
import { qlogFrames } from './qlog-frames.js';
import { SentPackets } from './sent-packets.js';

/** How many peers are distinguished by their addresses. Those seen longest ago are forgotten first. */
export const MAX_QLOG_PEERS = 1024;
/** Separates records (RFC 7464). */
const RECORD_SEPARATOR = '\u001e';

export interface QlogOptions {
  /** What writes it, for example `underpass 0.1.0`. */
  readonly application: string;
  readonly vantagePoint: 'client' | 'server';
  /** Unix milliseconds. The times of all events count from it. */
  readonly startUnixMs: number;
  readonly suite: CryptoSuite;
  /** Receives the log record by record. @returns false if a record cannot be kept */
  readonly write: (record: string) => boolean;
}

/** A peer as its statistics describe it. Compatible with the endpoint's `PeerStats`. */
export interface PeerMetrics {
  readonly address: Address | undefined;
  readonly smoothedRttMs: number | undefined;
  readonly congestionWindowBytes: number;
  readonly bytesInFlight: number;
  readonly packetsLost: number;
}

interface LoggedPeer {
  readonly group: string;
  readonly sent: SentPackets;
  metrics: string;
}

/** Writes what goes over the network as the events of a QUIC connection, so that the tools made for QUIC can show it.
 *
 *  The caller passes it the lines of the key log, the datagrams, and now and then the statistics of the peers, in the
 *  order in which they occurred. It opens the datagrams itself. What it writes contains no secret and no byte of a
 *  stream, only numbers and sizes. A peer is recognised by its address, and each is a group of its own.
 *
 *  Some things have no equal in QUIC. An initiation is logged as an Initial packet, a response as a Handshake packet,
 *  both with their sender index for a packet number, and HELLO as an unknown frame. */
export class Qlog {
  readonly #options: QlogOptions;
  readonly #opener: DatagramOpener;
  readonly #peers = new Map<string, LoggedPeer>();

  constructor(options: QlogOptions) {
    this.#options = options;
    this.#opener = new DatagramOpener(options.suite);
    this.#record({
      qlog_version: '0.3',
      qlog_format: 'JSON-SEQ',
      title: options.application,
      trace: {
        title: options.vantagePoint,
        vantage_point: { name: options.application, type: options.vantagePoint },
        common_fields: {
          time_format: 'relative',
          reference_time: options.startUnixMs,
          protocol_type: ['QUIC'],
        },
      },
    });
  }

  handleKeyLogLine(line: string): void {
    this.#opener.handleKeyLogLine(line);
  }

  /** @param remote  the other end */
  handleDatagram(
    atUnixMs: number,
    direction: 'sent' | 'received',
    remote: Address,
    datagram: Uint8Array,
  ): void {
    const opened = this.#opener.open(datagram);
    if (opened === undefined) return;
    const peer = this.#peer(remote);
    const name = `transport:packet_${direction}`;
    const type = classifyMessage(opened);
    if (type !== MessageType.transport) {
      const [packet_type, { senderIndex }] =
        type === MessageType.initiation ? ['initial', InitiationOffset] : ['handshake', ResponseOffset];
      // It has no packet number. Both ends know this one, so what one sent is found in the log of the other.
      const header = { packet_type, packet_number: readUint32(opened, senderIndex) };
      this.#event(atUnixMs, peer, name, { header, raw: { length: datagram.length } });
      return;
    }
    const end = opened.length - TAG_BYTES;
    const at = HEADER_BYTES + 1;
    if (opened[HEADER_BYTES] !== PACKET_TYPE || end <= at) return; // a keepalive, or no packet
    const numberBytes = announcedVarintLength(opened[at] as number);
    if (at + numberBytes > end) return;
    const packet_number = readVarint(opened, at);
    const { frames, acked, isAckEliciting } = qlogFrames(opened, at + numberBytes, end);
    if (direction === 'received') peer.sent.acknowledge(acked);
    else if (isAckEliciting) peer.sent.add(packet_number, datagram.length);
    const header = { packet_type: '1RTT', packet_number };
    // qvis reads the first frame wherever there is a list of them.
    const list = frames.length === 0 ? {} : { frames };
    this.#event(atUnixMs, peer, name, { header, raw: { length: datagram.length }, ...list });
  }

  /** Logs what has changed since the last call. */
  handleMetrics(atUnixMs: number, { address, ...metrics }: PeerMetrics): void {
    if (address === undefined) return;
    const peer = this.#peer(address);
    for (const [packet_number, length] of peer.sent.takeLost(metrics.packetsLost)) {
      const header = { packet_type: '1RTT', packet_number };
      this.#event(atUnixMs, peer, 'recovery:packet_lost', { header, raw: { length } });
    }
    const { smoothedRttMs } = metrics;
    const data = {
      congestion_window: Math.floor(metrics.congestionWindowBytes),
      bytes_in_flight: metrics.bytesInFlight,
      ...(smoothedRttMs === undefined ? {} : { smoothed_rtt: inMicroseconds(smoothedRttMs) }),
    };
    const text = JSON.stringify(data);
    if (text === peer.metrics) return;
    peer.metrics = text;
    this.#event(atUnixMs, peer, 'recovery:metrics_updated', data);
  }

  #peer({ address, port }: Address): LoggedPeer {
    const group = `${address} ${port}`;
    const known = this.#peers.get(group);
    const peer = known ?? { group, sent: new SentPackets(), metrics: '' };
    this.#peers.delete(group);
    this.#peers.set(group, peer);
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= MAX_QLOG_PEERS) break;
      this.#peers.delete(oldest);
    }
    return peer;
  }

  #event(atUnixMs: number, { group }: LoggedPeer, name: string, data: object): void {
    const time = inMicroseconds(atUnixMs - this.#options.startUnixMs);
    this.#record({ time, name, group_id: group, data });
  }

  #record(record: object): void {
    this.#options.write(`${RECORD_SEPARATOR}${JSON.stringify(record)}\n`);
  }
}

/** Microseconds are enough, and keep the file small. */
function inMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
