/** What the main process of a relay and its workers say to each other. Rules travel as text, because they are made of
 *  objects that only their parser can make. */
import { parseAllowRule, parseListenRule } from '@underpass/forward';
import { type Address, assert, copySecret, type Shard } from '@underpass/protocol';
import type { SharedSocket, SuiteName, TransportTuning } from '@underpass/runtime';
import type { RelayInviteOptions, RelayPeerOptions, RelayStatus } from '../relay-options.js';

/** The first message to a worker. */
export interface StartMessage
  extends PeersMessage,
    Pick<TransportTuning, 'congestion' | 'memoryPerPeerBytes'> {
  readonly shard: Shard;
  readonly socket: SharedSocket;
  readonly privateKey: Uint8Array;
  readonly suite: SuiteName;
  readonly maxOutageMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly hasKeyLog: boolean;
}

/** The peers and invites that a worker serves. */
export interface PeersMessage {
  readonly relayName: string | undefined;
  readonly peers: readonly PeerMessage[];
  readonly invites: readonly RelayInviteOptions[];
}

export interface PeerMessage {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly presharedKey: Uint8Array | undefined;
  readonly allow: readonly string[];
  readonly allowListen: readonly string[];
  readonly maxRate: RelayPeerOptions['maxRate'];
}

/** A datagram for another worker. */
export interface DatagramMessage {
  readonly shard: number;
  readonly datagram: Uint8Array;
  readonly from: Address;
}

/** A client wants to enrol with an invite that the worker serves. */
export interface EnrolMessage {
  readonly invite: string;
  readonly publicKey: Uint8Array;
  readonly address: Address | undefined;
}

export interface LogMessage {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly text: string;
}

export interface StatusMessage {
  readonly status: RelayStatus;
  /** The worker's monotonic clock. Each process has its own. */
  readonly nowMs: number;
}

export function peerMessage({
  name,
  publicKey,
  presharedKey,
  allow,
  allowListen = [],
  maxRate,
}: RelayPeerOptions): PeerMessage {
  const rules = { allow: allow.map(({ text }) => text), allowListen: allowListen.map(({ text }) => text) };
  return { name, publicKey, presharedKey, maxRate, ...rules };
}

/** Copies everything, because the arrays of a message are views of it. The caller wipes the preshared key. */
export function peerFromMessage({
  name,
  publicKey,
  presharedKey,
  allow,
  allowListen,
  maxRate,
}: PeerMessage): RelayPeerOptions {
  return {
    name,
    publicKey: Uint8Array.from(publicKey),
    ...(presharedKey && { presharedKey: copySecret(presharedKey) }),
    ...(maxRate && { maxRate }),
    allow: allow.map((text) => parsed(parseAllowRule(text))),
    allowListen: allowListen.map((text) => parsed(parseListenRule(text))),
  };
}

function parsed<Rule extends object>(rule: Rule | { readonly reason: string }): Rule {
  assert(!('reason' in rule), 'a rule can be parsed again');
  return rule as Rule;
}

/** The status of a worker, on the clock of this process. */
export function statusFromMessage({ status, nowMs }: StatusMessage, ownNowMs: number): RelayStatus {
  const shift = ownNowMs - nowMs;
  const shifted = (at: number | undefined): number | undefined => (at === undefined ? undefined : at + shift);
  return {
    ...status,
    peers: status.peers.map((peer) => ({
      ...peer,
      stats: {
        ...peer.stats,
        heardAt: shifted(peer.stats.heardAt),
        waitingSince: shifted(peer.stats.waitingSince),
      },
      streams: peer.streams.map((stream) => ({ ...stream, openedAt: stream.openedAt + shift })),
    })),
  };
}
