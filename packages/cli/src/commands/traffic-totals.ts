/** What a peer's statistics come to: the fields of the `summary` event, and the words for it. */
import type { PeerStats } from '@underpass/protocol';

/** Counts since the start. Bytes on the wire are UDP payloads, without IP and UDP headers. */
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

/** Milliseconds to three decimals: a log needs no more. */
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

/** IP and UDP headers, IPv4's and IPv6's the longer. */
const HEADER_BYTES = 48;

/** What to say when the path to `who` cuts datagrams of so many bytes into fragments. */
export function fragmentsText(who: string, datagramBytes: number): string {
  const packetBytes = datagramBytes + HEADER_BYTES;
  return `the path to ${who} does not carry packets of ${packetBytes} bytes in one piece: they travel in fragments, which is slower, and some firewalls drop them; raise the MTU of the link or tunnel below to ${packetBytes} or more`;
}

/** For people: seconds below two minutes, then minutes, then hours. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** `3 connections are lost`, for the end of a line that says why. */
export function lossText(lostStreams: number): string {
  if (lostStreams === 0) return 'no connection is lost';
  return lostStreams === 1 ? '1 connection is lost' : `${lostStreams} connections are lost`;
}
