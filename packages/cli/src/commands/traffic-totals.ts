/** A peer's statistics as the fields of the `summary` event, and as text. */
import type { PeerStats } from '@underpass/protocol';

/** Counts since the start. Bytes on the wire are UDP payloads, without the headers of IP and UDP. */
export interface TrafficTotals {
  readonly handshakes: number;
  readonly handshakeRttMs: number | undefined;
  readonly smoothedRttMs: number | undefined;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly streamBytesSent: number;
  readonly streamBytesReceived: number;
  readonly packetsLost: number;
}

export function totals(stats: PeerStats): TrafficTotals {
  return {
    handshakes: stats.handshakes,
    handshakeRttMs: inMicroseconds(stats.handshakeRttMs),
    smoothedRttMs: inMicroseconds(stats.smoothedRttMs),
    datagramsSent: stats.datagramsSent,
    datagramsReceived: stats.datagramsReceived,
    bytesSent: stats.bytesSent,
    bytesReceived: stats.bytesReceived,
    streamBytesSent: stats.streamBytesSent,
    streamBytesReceived: stats.streamBytesReceived,
    packetsLost: stats.packetsLost,
  };
}

/** Rounds milliseconds to three decimals, enough for a log. */
export function inMicroseconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds * 1000) / 1000;
}

export function totalsText(stats: PeerStats): string {
  const sent = `${formatBytes(stats.streamBytesSent)} sent in ${stats.datagramsSent} datagrams`;
  const received = `${formatBytes(stats.streamBytesReceived)} received in ${stats.datagramsReceived}`;
  return `${sent}, ${received}`;
}

/** Binary units with one decimal: `10.0 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} bytes` : `${value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** IP and UDP headers; IPv6's, because they are longer. */
const HEADER_BYTES = 48;

/** Explains that the path to `peer` fragments datagrams of this size. */
export function fragmentsText(peer: string, datagramBytes: number): string {
  const packetBytes = datagramBytes + HEADER_BYTES;
  return `the path to ${peer} fragments packets of ${packetBytes} bytes, which is slower, and some firewalls drop fragments: raise the MTU of the link or tunnel below to at least ${packetBytes}`;
}

/** Says why messages of a UDP flow do not arrive. */
export function tooLargeText(flow: string, bytes: number, maxBytes: number): string {
  return `${flow}: a message of ${bytes} bytes was dropped, and so are others above ${maxBytes}, the most that the path through the tunnel carries: have the program send smaller ones`;
}

/** Seconds below two minutes, then minutes, then hours. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** `3 connections are lost`, for the end of a message. */
export function lossText(lostStreams: number): string {
  if (lostStreams === 0) return 'no connection is lost';
  return lostStreams === 1 ? '1 connection is lost' : `${lostStreams} connections are lost`;
}
