/** Rates, as the difference between two reports of the same process. */
import type { Report } from './collect-reports.js';
import type { PeerReport } from './report.js';

/** Bytes of forwarded connections, without headers and repetitions. */
export interface Rates {
  readonly sentBytesPerSecond: number;
  readonly receivedBytesPerSecond: number;
}

/** @returns undefined when `before` is not an earlier report of the same peer */
export function ratesBetween(
  before: PeerReport | undefined,
  after: PeerReport,
  elapsedMs: number,
): Rates | undefined {
  if (before === undefined || elapsedMs <= 0) return undefined;
  const per = (earlier: number, later: number): number => Math.max(0, ((later - earlier) * 1000) / elapsedMs);
  return {
    sentBytesPerSecond: per(before.streamBytesSent, after.streamBytesSent),
    receivedBytesPerSecond: per(before.streamBytesReceived, after.streamBytesReceived),
  };
}

/** A peer with its rates. */
export type MeasuredPeer = PeerReport & { readonly rates: Rates | undefined };

/** The peers of `after` with their rates since `before`. */
export function measuredPeers(before: Report | undefined, after: Report): readonly MeasuredPeer[] {
  const earlier = new Map(before === undefined ? [] : peersOf(before).map((peer) => [peer.publicKey, peer]));
  const elapsedMs = after.atMs - (before?.atMs ?? after.atMs);
  return peersOf(after).map((peer) => ({
    ...peer,
    rates: ratesBetween(earlier.get(peer.publicKey), peer, elapsedMs),
  }));
}

/** The report of the same process among earlier ones. */
export function earlierOf(reports: readonly Report[], report: Report): Report | undefined {
  return reports.find(({ pid, kind }) => pid === report.pid && kind === report.kind);
}

export function peersOf(report: Report): readonly PeerReport[] {
  return report.kind === 'relay' ? report.peers : [report.relay];
}
