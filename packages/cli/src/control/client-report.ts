/** A client's answer to `GET /status`. */
import type { ClientStatus } from '@underpass/client';
import { type Forward, formatTarget } from '@underpass/forward';
import { placesOf } from '../forward-places.js';
import { encodeKey } from '../key-text.js';
import {
  type PeerReport,
  type ProcessReport,
  peerReport,
  processReport,
  type StreamsReport,
  streamsReport,
} from './report.js';

export interface ClientReport extends ProcessReport, StreamsReport {
  readonly kind: 'client';
  readonly name: string;
  /** As the user wrote it: `vpn.example.org:51820`. */
  readonly endpoint: string;
  readonly publicKey: string;
  readonly relay: PeerReport;
  readonly forwards: readonly ForwardReport[];
}

export interface ForwardReport {
  /** As the user wrote it. */
  readonly text: string;
  readonly kind: Forward['kind'];
  /** Of a reverse forward, where the relay listens. */
  readonly listen: readonly string[];
}

export interface ClientFacts {
  readonly name: string;
  readonly endpoint: string;
  readonly publicKey: Uint8Array;
  readonly relayPublicKey: Uint8Array;
}

export function clientReport({ relayPublicKey, ...facts }: ClientFacts, status: ClientStatus): ClientReport {
  const streams = status.streams.map(({ id, target, from, openedAt }) => {
    return { peer: undefined, id, target: formatTarget(target), address: from, openedAt };
  });
  return {
    kind: 'client',
    ...facts,
    publicKey: encodeKey(facts.publicKey),
    ...processReport(status),
    relay: peerReport(facts.name, relayPublicKey, status.relay),
    forwards: status.forwards.map((forward) => ({
      text: forward.spec.text,
      kind: forward.spec.kind,
      listen: placesOf(forward),
    })),
    ...streamsReport(streams),
  };
}
