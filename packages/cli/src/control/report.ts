/** The answers to `GET /status`: what a running relay or client says about itself. They are public: `underpass status
 *  --json` prints them (docs/cli.md, 'underpass status'). */
import { formatTarget } from '@underpass/forward';
import type { Address, DatagramCounts, DropReason, PeerStats } from '@underpass/protocol';
import { monotonicMs, type SocketKind } from '@underpass/runtime';
import { type TrafficTotals, totals } from '../commands/traffic-totals.js';
import { encodeKey } from '../key-text.js';
import { VERSION } from '../version.js';

/** How many peers, listeners and streams one report lists. Any more are only counted. */
export const MAX_LISTED_PEERS = 1024;
export const MAX_LISTED_LISTENERS = 1024;
export const MAX_LISTED_STREAMS = 4096;

export interface ProcessReport {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  readonly uptimeMs: number;
  readonly suite: string;
  /** `native` if koffi opened the socket, so that it can forbid fragmentation. */
  readonly socket: SocketKind;
  /** The system cuts batches into datagrams ... */
  readonly segments: boolean;
  /** ... and joins arriving datagrams. */
  readonly coalesces: boolean;
  /** Datagrams without effect, by reason. Reasons that never occurred are left out. */
  readonly drops: Readonly<Record<string, number>>;
  readonly sendErrors: Readonly<Record<string, number>>;
  /** When this report was made, on a clock that only serves to compare two reports. */
  readonly atMs: number;
}

/** Counts begin with the process. */
export interface PeerReport extends TrafficTotals {
  readonly name: string;
  readonly publicKey: string;
  readonly connected: boolean;
  /** Undefined while there is none. */
  readonly address: string | undefined;
  readonly software: string | undefined;
  /** Those that have to be acknowledged. Only their loss is noticed. */
  readonly packetsSent: number;
  /** What became of its UDP messages. */
  readonly messages: DatagramCounts;
  /** The largest datagram (UDP payload) that is sent to it. */
  readonly datagramBytes: number;
  readonly openStreams: number;
  /** How long ago it was heard last; undefined if never. */
  readonly heardMs: number | undefined;
  /** How long an answer has been due, if streams wait for one. */
  readonly waitingMs: number | undefined;
}

export interface StreamReport {
  /** The name of the peer that opened it; undefined on a client. */
  readonly peer: string | undefined;
  readonly id: number;
  readonly target: string;
  /** On a relay, the address that it connected to; on a client, the local program. */
  readonly address: string;
  readonly openMs: number;
}

export interface StreamsReport {
  readonly streams: readonly StreamReport[];
  /** How many more are open. */
  readonly streamsNotListed: number;
}

/** Facts about a process that do not change. */
export interface ProcessFacts {
  readonly suite: string;
  readonly socket: SocketKind;
  readonly segments: boolean;
  readonly coalesces: boolean;
  readonly drops: Readonly<Record<DropReason, number>>;
  readonly sendErrors: Readonly<Record<string, number>>;
}

export function processReport(facts: ProcessFacts): ProcessReport {
  return {
    version: VERSION,
    node: process.version,
    pid: process.pid,
    uptimeMs: Math.round(process.uptime() * 1000),
    suite: facts.suite,
    socket: facts.socket,
    segments: facts.segments,
    coalesces: facts.coalesces,
    drops: Object.fromEntries(Object.entries(facts.drops).filter(([, count]) => count > 0)),
    sendErrors: facts.sendErrors,
    atMs: Math.round(monotonicMs()),
  };
}

export function peerReport(name: string, publicKey: Uint8Array, stats: PeerStats): PeerReport {
  return {
    name,
    publicKey: encodeKey(publicKey),
    connected: stats.connected,
    address: stats.address === undefined ? undefined : addressText(stats.address),
    software: stats.software,
    ...totals(stats),
    packetsSent: stats.packetsSent,
    messages: { ...stats.flowDatagrams },
    datagramBytes: stats.datagramBytes,
    openStreams: stats.openStreams,
    heardMs: sinceMs(stats.heardAt),
    waitingMs: sinceMs(stats.waitingSince),
  };
}

function sinceMs(at: number | undefined): number | undefined {
  return at === undefined ? undefined : Math.round(monotonicMs() - at);
}

/** Lists the newest of them, the oldest first. */
export function streamsReport(
  streams: readonly (Omit<StreamReport, 'openMs'> & { readonly openedAt: number })[],
): StreamsReport {
  const now = monotonicMs();
  const newest = streams.toSorted((a, b) => a.openedAt - b.openedAt).slice(-MAX_LISTED_STREAMS);
  const listed = newest.map(({ peer, id, target, address, openedAt }) => {
    return { peer, id, target, address, openMs: Math.round(now - openedAt) };
  });
  return { streams: listed, streamsNotListed: streams.length - listed.length };
}

export function addressText({ address, port }: Address): string {
  return formatTarget({ host: address, port });
}
