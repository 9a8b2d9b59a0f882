/** A relay's answer to `GET /status`. */
import path from 'node:path';
import { formatTarget, isUnix } from '@underpass/forward';
import type { RelayStatus } from '@underpass/relay';
import { encodeKey } from '../key-text.js';
import {
  addressText,
  MAX_LISTED_LISTENERS,
  MAX_LISTED_PEERS,
  type PeerReport,
  type ProcessReport,
  peerReport,
  processReport,
  type StreamsReport,
  streamsReport,
} from './report.js';

export interface RelayReport extends ProcessReport, StreamsReport {
  readonly kind: 'relay';
  readonly name: string;
  /** The path of its config file. */
  readonly config: string;
  readonly publicKey: string;
  readonly listen: string;
  /** Where clients reach it, if it was told. */
  readonly endpoint?: string | undefined;
  readonly peersConfigured: number;
  /** Those that were heard since the relay started. */
  readonly peers: readonly PeerReport[];
  readonly peersNotListed: number;
  /** Ports of the relay that lead to peers. */
  readonly listeners: readonly ListenerReport[];
  readonly listenersNotListed: number;
}

export interface ListenerReport {
  readonly peer: string;
  /** As the relay calls it: `localhost:8080`. */
  readonly listener: string;
  readonly addresses: readonly string[];
  readonly visitors: number;
}

export interface RelayFacts {
  readonly name: string;
  readonly config: string;
  readonly publicKey: Uint8Array;
  readonly endpoint?: string | undefined;
}

/** @param config  the path of the config file */
export function relayFacts(config: string, publicKey: Uint8Array, endpoint?: string): RelayFacts {
  return { name: path.basename(config, '.toml'), config: path.resolve(config), publicKey, endpoint };
}

export function relayReport(facts: RelayFacts, status: RelayStatus): RelayReport {
  const heard = status.peers.filter(({ stats }) => stats.handshakes > 0 || stats.datagramsReceived > 0);
  const peers = heard
    .slice(0, MAX_LISTED_PEERS)
    .map(({ name, publicKey, stats }) => peerReport(name, publicKey, stats));
  const streams = status.peers.flatMap(({ name, streams: ofPeer }) =>
    ofPeer.map(({ id, target, address, openedAt }) => {
      const place = isUnix(target) ? address : formatTarget({ ...target, host: address });
      return { peer: name, id, target: formatTarget(target), address: place, openedAt };
    }),
  );
  const listeners = status.peers.flatMap(({ name, listeners: ofPeer }) =>
    ofPeer.map(({ listener, addresses, visitors }) => {
      const places = addresses.map(({ address, port }) => formatTarget({ host: address, port }));
      return { peer: name, listener, addresses: places, visitors };
    }),
  );
  const listed = listeners.slice(0, MAX_LISTED_LISTENERS);
  return {
    kind: 'relay',
    ...facts,
    publicKey: encodeKey(facts.publicKey),
    listen: addressText(status.address),
    ...processReport(status),
    peersConfigured: status.peers.length,
    peers,
    peersNotListed: heard.length - peers.length,
    listeners: listed,
    listenersNotListed: listeners.length - listed.length,
    ...streamsReport(streams),
  };
}
