/** `underpass peers`: who may connect to a relay, and what each may reach. */
import { shortKey } from '@underpass/runtime';
import { runningRelay } from '../control/ask-relay.js';
import type { PeerReport } from '../control/report.js';
import { encodeKey } from '../key-text.js';
import { printLine, requireOutput } from '../terminal.js';
import { type RelayFiles, readRelayFiles } from './relay-files.js';
import { minuteText } from './time-text.js';
import { formatDuration } from './traffic-totals.js';

export interface PeersFlags {
  readonly json?: boolean;
  readonly config?: string;
}

/** One peer or invite.
 *  - invited, invite-expired: nobody has enrolled
 *  - connected, away: as the running relay says; away peers have connected since it started
 *  - enrolled: a peer, and no more is known */
export interface PeerRow {
  readonly name: string;
  readonly state: 'invited' | 'invite-expired' | 'enrolled' | 'connected' | 'away';
  /** Base64; undefined for an invite. */
  readonly publicKey: string | undefined;
  readonly allow: readonly string[];
  readonly allowListen: readonly string[];
  /** As it was written, `10 MB/s`; undefined for no limit. */
  readonly maxRate: string | undefined;
  /** When the invite ends, as an ISO date; undefined for a peer. */
  readonly expires: string | undefined;
  /** Where it is connected from. */
  readonly address: string | undefined;
  /** When the running relay last heard it, as an ISO date; undefined if it has not since it started. */
  readonly lastContact: string | undefined;
}

export async function runPeers(flags: PeersFlags, nowMs = Date.now()): Promise<void> {
  const files = readRelayFiles(flags.config);
  const running = await runningRelay(files.file);
  const rows = peerRows(files, running?.peers ?? [], nowMs);
  if (flags.json === true) printLine(JSON.stringify(rows));
  else printLine(rows.length === 0 ? noPeersText : tableOf(rows, nowMs).join('\n'));
  await requireOutput();
}

const noPeersText = 'nobody can connect yet: underpass invite NAME --allow TARGET makes a link for a client';

export function peerRows(
  { config, stored }: Pick<RelayFiles, 'config' | 'stored'>,
  reports: readonly PeerReport[],
  nowMs: number,
): PeerRow[] {
  const byName = new Map(reports.map((report) => [report.name, report]));
  const peers = config.peers.map(({ name, publicKey, allow, allowListen, maxRate }): PeerRow => {
    const report = byName.get(name);
    const isConnected = report?.connected === true;
    return {
      name,
      state: report === undefined ? 'enrolled' : isConnected ? 'connected' : 'away',
      publicKey: encodeKey(publicKey),
      allow: textsOf(allow),
      allowListen: textsOf(allowListen),
      maxRate: maxRate?.text,
      expires: undefined,
      address: isConnected ? report.address : undefined,
      lastContact: report?.heardMs === undefined ? undefined : new Date(nowMs - report.heardMs).toISOString(),
    };
  });
  const invites = stored
    .filter(({ enrolled }) => enrolled === undefined)
    .map(({ name, allow, allowListen, maxRate, invite }): PeerRow => {
      return {
        name,
        state: nowMs < invite.expiresAtMs ? 'invited' : 'invite-expired',
        publicKey: undefined,
        allow: textsOf(allow),
        allowListen: textsOf(allowListen),
        maxRate: maxRate?.text,
        expires: new Date(invite.expiresAtMs).toISOString(),
        address: undefined,
        lastContact: undefined,
      };
    });
  return [...peers, ...invites].sort((a, b) => a.name.localeCompare(b.name));
}

/** Lines of equal columns. */
export function tableOf(rows: readonly PeerRow[], nowMs: number): string[] {
  const cells = [
    ['NAME', 'STATE', 'LAST CONTACT', 'KEY', 'MAY REACH'],
    ...rows.map((row) => [row.name, stateText(row), contactText(row, nowMs), keyText(row), mayText(row)]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function stateText({ state, expires, address }: PeerRow): string {
  switch (state) {
    case 'connected':
      return address === undefined ? state : `connected from ${address}`;
    case 'invited':
      return `invited until ${minuteText(Date.parse(expires ?? ''))}`;
    case 'invite-expired':
      return 'invite expired';
    default:
      return state;
  }
}

function contactText({ lastContact }: PeerRow, nowMs: number): string {
  return lastContact === undefined ? '-' : `${formatDuration(nowMs - Date.parse(lastContact))} ago`;
}

function keyText({ publicKey }: PeerRow): string {
  return publicKey === undefined ? '-' : shortKey(Buffer.from(publicKey, 'base64'));
}

function mayText({ allow, allowListen, maxRate }: PeerRow): string {
  const reach = allow.join(', ') || 'nothing';
  const listen = allowListen.length === 0 ? '' : `; may listen on ${allowListen.join(', ')}`;
  return `${reach}${listen}${maxRate === undefined ? '' : `; at most ${maxRate}`}`;
}

function textsOf(rules: readonly { readonly text: string }[] = []): string[] {
  return rules.map(({ text }) => text);
}
