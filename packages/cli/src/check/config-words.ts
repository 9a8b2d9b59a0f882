/** Says in words what a config means. Each function returns lines, without any key but public ones. */
import {
  type AllowRule,
  type Forward,
  formatTarget,
  isUnix,
  type ListenRule,
  type MaxRate,
  type ReverseForward,
} from '@underpass/forward';
import { shortKey } from '@underpass/runtime';
import { minuteText } from '../commands/time-text.js';
import type { ClientConfig } from '../config/client-config.js';
import { rateWords } from '../config/peer-rules.js';
import type { RelayConfig } from '../config/relay-config.js';
import type { ListenAddress } from '../host-port.js';
import { encodeKey } from '../key-text.js';
import type { StoredPeer } from '../store/stored-peer.js';
import { allowWords, isForNames, listenWords } from './rule-words.js';

interface PeerFacts {
  readonly name: string;
  readonly allow: readonly AllowRule[];
  readonly allowListen?: readonly ListenRule[];
  readonly maxRate?: MaxRate;
}

/** @param stored  the peers and invites of the store, of which the enrolled ones are also in the config */
export function relayWords(config: RelayConfig, stored: readonly StoredPeer[], nowMs: number): string[] {
  const { listen, endpoint, publicKey, peers } = config;
  const invites = stored.filter(
    ({ enrolled, invite }) => enrolled === undefined && nowMs < invite.expiresAtMs,
  );
  const lines = [
    `The relay listens on ${listenText(listen)}. Its public key is ${encodeKey(publicKey)}.`,
    endpoint === undefined
      ? "Links of underpass invite carry this machine's public address, because endpoint is not set."
      : `Links of underpass invite tell clients to reach it at ${formatTarget(endpoint)}.`,
  ];
  lines.push(...metricsLines(config.metrics));
  if (peers.length === 0 && invites.length === 0) lines.push('Nobody can connect.');
  for (const peer of peers) {
    const psk = peer.presharedKey === undefined ? 'no preshared key' : 'a preshared key';
    lines.push('', ...peerLines(`${peer.name} (public key ${shortKey(peer.publicKey)}, ${psk})`, peer));
  }
  for (const invite of invites) {
    const until = minuteText(invite.invite.expiresAtMs);
    lines.push(
      '',
      ...peerLines(`${invite.name}, once it has enrolled (its link works until ${until}),`, invite),
    );
  }
  if ([...peers, ...invites].some(({ allow }) => allow.some(isForNames))) {
    lines.push('', 'A name that leads to a private or loopback address also needs a rule for that address.');
  }
  return lines;
}

function peerLines(who: string, { allow, allowListen = [], maxRate }: PeerFacts): string[] {
  const lines =
    allow.length === 0
      ? [`${who} may reach nothing.`]
      : [`${who} may reach`, ...allow.map((rule) => `  ${rule.text}: ${allowWords(rule)}`)];
  if (allowListen.length > 0) {
    lines.push('and may listen on', ...allowListen.map((rule) => `  ${rule.text}: ${listenWords(rule)}`));
  }
  if (maxRate !== undefined) lines.push(`and may transfer ${rateWords(maxRate)}.`);
  return lines;
}

export function clientWords(config: ClientConfig): string[] {
  const { relay, relayPublicKey, publicKey, presharedKey, forwards } = config;
  const psk = presharedKey === undefined ? 'without a preshared key' : 'with a preshared key';
  return [
    `The client connects to ${formatTarget(relay)}, whose public key must be ${encodeKey(relayPublicKey)}.`,
    `Its own public key is ${encodeKey(publicKey)}, ${psk}.`,
    ...metricsLines(config.metrics),
    forwards.length === 0
      ? 'It forwards nothing of its own: give forwards on the command line.'
      : 'What it may reach is for the relay to decide. It forwards',
    ...forwards.map((forward) => `  ${forward.text}: ${forwardWords(forward)}`),
  ];
}

function forwardWords(forward: Forward): string {
  const { place } = forward;
  if (isUnix(place)) {
    const machine = forward.kind === 'reverse' ? "the relay's machine" : 'this machine';
    return `from the unix socket ${place.path} of ${machine} ${toWords(forward)}`;
  }
  const { bind, port } = place;
  const machine = forward.kind === 'reverse' ? "the relay's machine" : 'this machine';
  const who = {
    loopback: `for programs of ${machine} only`,
    all: `for everybody who reaches ${machine}`,
    host: `at ${bind.kind === 'host' ? bind.host : ''}`,
  }[bind.kind];
  if (forward.kind === 'reverse') return reverseWords(forward, port, who);
  const noun = forward.kind === 'udp' ? 'UDP port' : 'port';
  const name = port === 0 ? `a free ${noun}` : `${noun} ${port}`;
  return `from ${name} (${who}) ${toWords(forward)}`;
}

/** If a listen rule at the relay permits it. */
function reverseWords(forward: ReverseForward, port: number, who: string): string {
  const name = port === 0 ? 'a port that the relay chooses' : `port ${port}`;
  return `from ${name} at the relay (${who}) ${toWords(forward)}`;
}

function toWords(forward: Forward): string {
  if (!('target' in forward)) return 'to the target that a program asks for, by SOCKS or HTTP';
  const who = forward.kind === 'reverse' ? 'this machine' : 'the relay';
  return `to ${formatTarget(forward.target)} as ${who} sees it`;
}

function metricsLines(metrics: ListenAddress | undefined): string[] {
  if (metrics === undefined) return [];
  return [`It serves metrics at ${formatTarget({ host: metrics.host ?? 'localhost', port: metrics.port })}.`];
}

function listenText({ host, port }: ListenAddress): string {
  const name = port === 0 ? 'a UDP port' : `UDP port ${port}`;
  const where = host === undefined ? '' : ` of ${host}`;
  const choice = port === 0 ? ' that the system chooses' : '';
  return `${name}${where}${choice}${host === undefined ? ', on every address of this machine' : ''}`;
}
