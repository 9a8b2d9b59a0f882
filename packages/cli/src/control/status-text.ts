/** Reports as text for a terminal: one block of lines for each process. */
import { formatBytes, formatDuration } from '../commands/traffic-totals.js';
import { withoutControlCharacters } from '../terminal.js';
import type { ClientReport, ForwardReport } from './client-report.js';
import type { Report } from './collect-reports.js';
import { type MeasuredPeer, measuredPeers } from './rates.js';
import type { RelayReport } from './relay-report.js';
import type { StreamReport } from './report.js';

/** How many streams are shown of one process. `--json` has the rest. */
export const MAX_SHOWN_STREAMS = 20;
/** The same for the ports that lead to peers. */
export const MAX_SHOWN_LISTENERS = 20;

/** @param before  an earlier report of the same process, for the rates */
export function statusLines(report: Report, before?: Report): string[] {
  const peers = measuredPeers(before, report);
  const lines = report.kind === 'relay' ? relayLines(report, peers) : clientLines(report, peers);
  return [...lines, ...streamLines(report)].map(withoutControlCharacters);
}

function relayLines(report: RelayReport, peers: readonly MeasuredPeer[]): string[] {
  const { name, listen, peersConfigured, peersNotListed, config } = report;
  const connected = peers.filter((peer) => peer.connected).length;
  const others =
    peersNotListed === 0 ? [] : [`  and ${peersNotListed} more peers (underpass status --json lists 1024)`];
  return [
    `${name === 'relay' ? '' : 'relay '}${name}: listening on UDP ${listen}, ${connected} of ${peersConfigured} peers connected`,
    `  config ${config}, ${processText(report)}`,
    ...table(peers.map((peer) => [peer.name, ...peerCells(peer)])),
    ...others,
    ...listenerLines(report),
  ];
}

function listenerLines({ listeners, listenersNotListed }: RelayReport): string[] {
  const shown = listeners.slice(0, MAX_SHOWN_LISTENERS);
  const hidden = listeners.length - shown.length + listenersNotListed;
  const lines = table(
    shown.map(({ peer, addresses, visitors }) => [
      `${addresses.join(' and ')} leads to ${peer}`,
      countText(visitors, 'visitor'),
    ]),
  );
  return hidden === 0 ? lines : [...lines, `  and ${hidden} more listeners`];
}

function clientLines(report: ClientReport, [relay]: readonly MeasuredPeer[]): string[] {
  const forwards = report.forwards.map((forward) => `  ${forwardText(forward)}`);
  return [
    `client ${report.name}: relay ${report.endpoint}`,
    `  ${processText(report)}`,
    ...table(relay === undefined ? [] : [['relay', ...peerCells(relay)]]),
    ...forwards,
  ];
}

/** Added to the text of a forward, which does not say what kind it is. */
const KIND_TEXTS = { local: '', dynamic: ' (SOCKS and HTTP CONNECT)', udp: ' (UDP)' } as const;

function forwardText({ text, kind, listen }: ForwardReport): string {
  if (kind !== 'reverse') return `${text}${KIND_TEXTS[kind]} on ${listen.join(' and ')}`;
  return listen.length === 0
    ? `${text} (reverse): the relay does not listen`
    : `${text} (reverse) on the relay's ${listen.join(' and ')}`;
}

function processText(report: Report): string {
  const { pid, uptimeMs, suite, version } = report;
  return `pid ${pid}, up ${formatDuration(uptimeMs)}, ${socketText(report)}, suite ${suite}, version ${version}`;
}

/** Says what a native socket lacks. A plain one has neither. */
function socketText({ socket, segments, coalesces }: Report): string {
  if (socket === 'plain' || (segments && coalesces)) return `${socket} socket`;
  const missing = [...(segments ? [] : ['segmentation']), ...(coalesces ? [] : ['coalescing'])];
  return `${socket} socket without ${missing.join(' and ')}`;
}

/** State, address, round trip, loss, rates and streams. */
function peerCells(peer: MeasuredPeer): string[] {
  const { smoothedRttMs, handshakeRttMs, rates } = peer;
  const rttMs = smoothedRttMs ?? handshakeRttMs;
  return [
    stateText(peer),
    peer.address ?? '',
    rttMs === undefined ? '' : `${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`,
    lossText(peer),
    rates === undefined ? '' : `out ${formatRate(rates.sentBytesPerSecond)}`,
    rates === undefined ? '' : `in ${formatRate(rates.receivedBytesPerSecond)}`,
    countText(peer.openStreams, 'stream'),
  ];
}

function stateText({ connected, waitingMs }: MeasuredPeer): string {
  if (waitingMs !== undefined) return `no answer for ${formatDuration(waitingMs)}`;
  return connected ? 'connected' : 'not connected';
}

/** Lost packets among those whose loss would be noticed. The first few say nothing. */
function lossText({ packetsLost, packetsSent }: MeasuredPeer): string {
  if (packetsSent < 100) return '';
  const percent = (100 * packetsLost) / packetsSent;
  return `${percent.toFixed(percent < 10 ? 1 : 0)} % lost`;
}

function streamLines({ streams, streamsNotListed }: Report): string[] {
  const shown = streams.slice(-MAX_SHOWN_STREAMS);
  const hidden = streams.length - shown.length + streamsNotListed;
  const lines = table(shown.map(streamCells));
  return hidden === 0 ? lines : [...lines, `  and ${hidden} older streams`];
}

function streamCells({ peer, target, address, openMs }: StreamReport): string[] {
  const isResolved = peer !== undefined && address !== target;
  const where = peer === undefined ? `${address} → ${target}` : `${peer} → ${target}`;
  return [isResolved ? `${where} (${address})` : where, `open ${formatDuration(openMs)}`];
}

/** `1.2 MiB/s` */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(Math.round(bytesPerSecond)).replace(' bytes', ' B')}/s`;
}

function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Rows with aligned columns, indented. Columns that are empty in every row are left out. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `  ${cells.filter((_, column) => widths[column] !== 0).join('  ')}`.trimEnd();
  });
}
