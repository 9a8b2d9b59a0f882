import type { Address } from '@underpass/protocol';
import type { RelayStatus } from '../relay-options.js';

/** Joins what the workers of a relay report.
 *  @param facts  what is the same for all
 *  @param order  the names of the peers, in the order in which to list them */
export function mergedStatus(
  facts: { readonly address: Address; readonly suite: string },
  reports: readonly RelayStatus[],
  order: readonly string[],
): RelayStatus {
  const peers = new Map(reports.flatMap((report) => report.peers.map((peer) => [peer.name, peer])));
  const [first] = reports;
  return {
    ...facts,
    socket: first?.socket ?? 'native',
    segments: reports.every(({ segments }) => segments),
    coalesces: reports.every(({ coalesces }) => coalesces),
    drops: sums(reports.map(({ drops }) => drops)) as RelayStatus['drops'],
    sendErrors: sums(reports.map(({ sendErrors }) => sendErrors)),
    peers: order.flatMap((name) => peers.get(name) ?? []),
  };
}

function sums(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const each of counts) {
    for (const [name, count] of Object.entries(each)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}
