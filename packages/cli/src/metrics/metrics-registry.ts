/** The metrics of a relay or client in Prometheus's text format. Loads prom-client, so it is itself loaded only when
 *  somebody asked for metrics. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Report } from '../control/collect-reports.js';
import { peersOf } from '../control/rates.js';
import type { PeerReport } from '../control/report.js';
import { MAX_METRIC_ERROR_CODES, MAX_METRIC_PEERS } from './metrics-limits.js';
import type { StreamCounts } from './stream-counts.js';

export interface MetricsSource {
  readonly report: () => Report | Promise<Report>;
  readonly counts: StreamCounts;
}

/** The name of the peer that stands for all that have no series of their own. No peer can have it. */
export const OTHER_PEERS = '(others)';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** Where the values of one scrape come from. */
interface Scrape {
  readonly report: Report;
  readonly peers: readonly PeerReport[];
}

/** Renders metrics on demand. Every value is read at that moment, so that nothing is done between two scrapes. */
export class MetricsRegistry {
  readonly contentType: string;
  readonly #source: MetricsSource;
  readonly #registry = new Registry();
  #scrape: Scrape | undefined;

  constructor(source: MetricsSource) {
    this.#source = source;
    this.contentType = this.#registry.contentType;
    collectDefaultMetrics({ register: this.#registry });
    this.#addProcess();
    this.#addPeers();
    this.#addStreams();
  }

  async render(): Promise<string> {
    const report = await this.#source.report();
    this.#scrape = { report, peers: limited(peersOf(report)) };
    return this.#registry.metrics();
  }

  #addProcess(): void {
    this.#gauge('info', 'The running process, described by labels; the value is 1.', ({ report }) => {
      const { kind, name, version, suite, socket } = report;
      return [[{ kind, name, version, suite, socket }, 1]];
    });
    this.#gauge('peers', 'Peers, by state.', ({ report }) => {
      const peers = peersOf(report); // also those without series of their own
      return [
        [{ state: 'configured' }, report.kind === 'relay' ? report.peersConfigured : 1],
        [{ state: 'connected' }, sum(peers, (peer) => Number(peer.connected))],
        [{ state: 'waiting' }, sum(peers, (peer) => Number(peer.waitingMs !== undefined))],
      ];
    });
    this.#counter('drops_total', 'Datagrams without effect, by reason.', ({ report }) =>
      Object.entries(report.drops).map(([reason, count]) => [{ reason }, count]),
    );
    this.#counter('send_errors_total', 'Datagrams that the system refused to send, by error.', ({ report }) =>
      Object.entries(report.sendErrors)
        .slice(0, MAX_METRIC_ERROR_CODES)
        .map(([code, count]) => [{ code }, count]),
    );
  }

  #addPeers(): void {
    const gauge = (name: string, help: string, read: (peer: PeerReport) => number | undefined): void =>
      this.#gauge(`peer_${name}`, help, ({ peers }) => samplesOf(peers, read));
    gauge('connected', 'Whether the peer is connected.', (peer) => Number(peer.connected));
    gauge(
      'waiting_seconds',
      'How long an answer has been due, or 0.',
      (peer) => (peer.waitingMs ?? 0) / 1000,
    );
    gauge('open_streams', 'Open connections.', (peer) => peer.openStreams);
    gauge('round_trip_seconds', 'The smoothed round trip.', ({ smoothedRttMs }) =>
      smoothedRttMs === undefined ? undefined : smoothedRttMs / 1000,
    );
    const counter = (name: string, help: string, read: (peer: PeerReport) => number): void =>
      this.#counter(`peer_${name}_total`, help, ({ peers }) => samplesOf(peers, read));
    counter('handshakes', 'Handshakes.', (peer) => peer.handshakes);
    counter('datagrams_sent', 'Datagrams sent.', (peer) => peer.datagramsSent);
    counter('datagrams_received', 'Datagrams received.', (peer) => peer.datagramsReceived);
    counter('bytes_sent', 'UDP payload sent.', (peer) => peer.bytesSent);
    counter('bytes_received', 'UDP payload received.', (peer) => peer.bytesReceived);
    counter('stream_bytes_sent', 'Bytes of connections sent.', (peer) => peer.streamBytesSent);
    counter('stream_bytes_received', 'Bytes of connections received.', (peer) => peer.streamBytesReceived);
    counter('packets_sent', 'Packets whose loss would be noticed.', (peer) => peer.packetsSent);
    counter('packets_lost', 'Packets declared lost.', (peer) => peer.packetsLost);
    this.#counter('peer_messages_total', 'UDP messages, by what became of them.', ({ peers }) =>
      peers.flatMap(({ name, messages }) =>
        Object.entries(messages).map(([how, count]): Sample => [{ peer: name, how }, count]),
      ),
    );
  }

  #addStreams(): void {
    const { counts } = this.#source;
    this.#counter('streams_opened_total', 'Connections opened.', () => [[{}, counts.opened]]);
    this.#counter('streams_refused_total', 'Connections refused, by status.', () =>
      Array.from(counts.refused, ([status, count]) => [{ status }, count]),
    );
    this.#counter('streams_closed_total', 'Connections closed, by how they ended.', () => [
      [{ how: 'clean' }, counts.closed - counts.broken],
      [{ how: 'broken' }, counts.broken],
    ]);
  }

  #gauge(name: string, help: string, read: (scrape: Scrape) => readonly Sample[]): void {
    const samples = this.#samples(read);
    new Gauge({
      ...this.#settings(name, help),
      collect() {
        this.reset();
        for (const [labels, value] of samples()) this.set(labels, value);
      },
    });
  }

  #counter(name: string, help: string, read: (scrape: Scrape) => readonly Sample[]): void {
    const samples = this.#samples(read);
    new Counter({
      ...this.#settings(name, help),
      collect() {
        this.reset();
        for (const [labels, value] of samples()) this.inc(labels, value);
      },
    });
  }

  #settings(name: string, help: string) {
    return { name: `underpass_${name}`, help, labelNames: LABEL_NAMES, registers: [this.#registry] };
  }

  /** Those of the scrape that is under way. */
  #samples(read: (scrape: Scrape) => readonly Sample[]): () => readonly Sample[] {
    return () => (this.#scrape === undefined ? [] : read(this.#scrape));
  }
}

const LABEL_NAMES = [
  'kind',
  'name',
  'version',
  'suite',
  'socket',
  'state',
  'reason',
  'code',
  'peer',
  'status',
  'how',
];

function samplesOf(
  peers: readonly PeerReport[],
  read: (peer: PeerReport) => number | undefined,
): readonly Sample[] {
  return peers.flatMap((peer): readonly Sample[] => {
    const value = read(peer);
    return value === undefined ? [] : [[{ peer: peer.name }, value]];
  });
}

/** The first peers, and one that stands for the rest. */
function limited(peers: readonly PeerReport[]): readonly PeerReport[] {
  if (peers.length <= MAX_METRIC_PEERS) return peers;
  return [...peers.slice(0, MAX_METRIC_PEERS), together(peers.slice(MAX_METRIC_PEERS))];
}

function together(peers: readonly PeerReport[]): PeerReport {
  const total = (read: (peer: PeerReport) => number): number => sum(peers, read);
  return {
    name: OTHER_PEERS,
    publicKey: '',
    connected: peers.some((peer) => peer.connected),
    address: undefined,
    software: undefined,
    handshakeRttMs: undefined,
    smoothedRttMs: undefined,
    datagramBytes: 0,
    heardMs: undefined,
    waitingMs: undefined,
    handshakes: total((peer) => peer.handshakes),
    datagramsSent: total((peer) => peer.datagramsSent),
    datagramsReceived: total((peer) => peer.datagramsReceived),
    bytesSent: total((peer) => peer.bytesSent),
    bytesReceived: total((peer) => peer.bytesReceived),
    streamBytesSent: total((peer) => peer.streamBytesSent),
    streamBytesReceived: total((peer) => peer.streamBytesReceived),
    packetsSent: total((peer) => peer.packetsSent),
    packetsLost: total((peer) => peer.packetsLost),
    messages: {
      sent: total(({ messages }) => messages.sent),
      received: total(({ messages }) => messages.received),
      tooLarge: total(({ messages }) => messages.tooLarge),
      sendQueueFull: total(({ messages }) => messages.sendQueueFull),
      expired: total(({ messages }) => messages.expired),
      withoutFlow: total(({ messages }) => messages.withoutFlow),
      receiveQueueFull: total(({ messages }) => messages.receiveQueueFull),
    },
    openStreams: total((peer) => peer.openStreams),
  };
}

function sum(peers: readonly PeerReport[], read: (peer: PeerReport) => number): number {
  return peers.reduce((total, peer) => total + read(peer), 0);
}
