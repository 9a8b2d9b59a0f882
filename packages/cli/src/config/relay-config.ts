/** relay.toml: where a relay listens, who may connect and what each peer may reach (docs/cli.md). */

import type { CongestionControllerName } from '@underpass/protocol';
import type { RelayInviteOptions, RelayPeerOptions } from '@underpass/relay';
import * as z from 'zod/mini';
import { ConfigError } from '../cli-error.js';
import type { HostPort, ListenAddress } from '../host-port.js';
import { encodeKey, isSameKey } from '../key-text.js';
import { INVITE_GRACE_MS } from '../limits.js';
import type { LogLevel } from '../log-level.js';
import { publicKeyOf } from '../public-key.js';
import { storeDirectoryOf } from '../store/store-files.js';
import { loadStore, type StoredPeer, wipeStoredPeer } from '../store/stored-peer.js';
import {
  congestionField,
  hostPortField,
  idleMinutesField,
  listenField,
  logLevelField,
  memoryMibField,
  outageHoursField,
  peerNameField,
  presharedKeyFileField,
  privateKeyFileField,
  publicKeyField,
  workersField,
} from './fields.js';
import { KeyFiles } from './key-files.js';
import { onlyRules, peerRulesOf, peerRulesShape } from './peer-rules.js';
import { type Problem, problemLines, schemaProblems, valueAt } from './schema-problems.js';
import { readTomlDocument, type TomlDocument } from './toml-document.js';

export interface RelayConfig {
  readonly listen: ListenAddress;
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Where clients reach this relay. */
  readonly endpoint: HostPort | undefined;
  /** What clients that enrol call this relay. */
  readonly name: string | undefined;
  /** Those of the config file, then those that enrolled. */
  readonly peers: readonly RelayPeerOptions[];
  /** Those that can be used, or whose holders must learn that they cannot. */
  readonly invites: readonly RelayInviteOptions[];
  readonly congestion: CongestionControllerName | undefined;
  readonly memoryPerPeerBytes: number | undefined;
  readonly maxOutageMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  /** Among how many processes the peers are divided. */
  readonly workers: number | undefined;
  /** Where to serve metrics. */
  readonly metrics: ListenAddress | undefined;
  readonly logLevel: LogLevel | undefined;
}

/** What a running relay remembers of its config. The relay has the peers, and thousands of them in two places would
 *  cost. */
export type RelaySettings = Omit<RelayConfig, 'privateKey' | 'peers' | 'invites'>;

export function settingsOf(config: RelayConfig): RelaySettings {
  const { privateKey: _privateKey, peers: _peers, invites: _invites, ...settings } = config;
  return settings;
}

/** Overwrites the keys. A running relay has copies of them. */
export function wipeKeys({ privateKey, peers, invites }: RelayConfig): void {
  privateKey.fill(0);
  for (const { presharedKey } of [...peers, ...invites]) presharedKey?.fill(0);
}

/** Reads the config, and the store beside it.
 *  @param nowMs  Unix milliseconds, to leave out invites that are over
 *  @throws CliError when a file cannot be read, ConfigError with everything that is wrong in one */
export function loadRelayConfig(file: string, nowMs = Date.now()): RelayConfig {
  const config = relayConfigOf(readTomlDocument(file));
  try {
    return withStore(config, storeDirectoryOf(file), nowMs);
  } catch (error) {
    wipeKeys(config);
    throw error;
  }
}

function withStore(config: RelayConfig, directory: string, nowMs: number): RelayConfig {
  const stored = loadStore(directory);
  const problems = conflicts(directory, config, stored);
  if (problems.length > 0) {
    for (const peer of stored) wipeStoredPeer(peer);
    throw new ConfigError(problems);
  }
  const enrolled = stored.flatMap((peer) =>
    peer.enrolled === undefined ? [] : [{ name: peer.name, ...onlyRules(peer), ...peer.enrolled }],
  );
  const invites: RelayInviteOptions[] = [];
  for (const { name, invite } of stored) {
    const { publicKey, presharedKey, expiresAtMs } = invite;
    if (nowMs < expiresAtMs + INVITE_GRACE_MS) invites.push({ name, publicKey, presharedKey });
    else presharedKey.fill(0);
  }
  return { ...config, peers: [...config.peers, ...enrolled], invites };
}

/** @throws ConfigError */
export function relayConfigOf(document: TomlDocument): RelayConfig {
  const keyFiles = new KeyFiles(document.directory);
  return keyFiles.wipeUnlessAccepted(() => checked(document, keyFiles));
}

function checked(document: TomlDocument, keyFiles: KeyFiles): RelayConfig {
  const schema = relaySchema(keyFiles);
  const result = schema.safeParse(document.value);
  const problems = result.success ? [] : schemaProblems(document, schema, result.error.issues);
  problems.push(...repeatedPeers(document, 'name', String));
  problems.push(...repeatedPeers(document, 'public_key', () => 'the same key'));
  const publicKey = result.success ? publicKeyOf(result.data.private_key_file) : undefined;
  if (result.success && publicKey !== undefined) {
    const { peer = [], private_key_file: privateKey } = result.data;
    problems.push(...peersWithKey(document, peer, publicKey, "this relay's own public key"));
    problems.push(...peersWithKey(document, peer, privateKey, "this relay's private key (not shown)"));
  }
  if (!result.success || publicKey === undefined || problems.length > 0) {
    throw new ConfigError(problemLines(document, problems));
  }
  const { listen, private_key_file, endpoint, name, peer } = result.data;
  const { congestion, memory_per_peer_mib, max_outage_hours, idle_timeout_minutes, workers, metrics, log } =
    result.data;
  return {
    listen,
    endpoint,
    name,
    invites: [],
    privateKey: private_key_file,
    publicKey,
    peers: peer ?? [],
    congestion,
    memoryPerPeerBytes: memory_per_peer_mib,
    maxOutageMs: max_outage_hours,
    idleTimeoutMs: idle_timeout_minutes,
    workers,
    metrics,
    logLevel: log?.level,
  };
}

/** The keys of a relay's config, without those of its tables. */
export function relayConfigKeys(): string[] {
  return Object.keys(relaySchema(new KeyFiles()).shape);
}

function relaySchema(keyFiles: KeyFiles) {
  const peerTable = z.strictObject(
    {
      name: peerNameField,
      public_key: publicKeyField,
      preshared_key_file: z.optional(presharedKeyFileField(keyFiles)),
      ...peerRulesShape,
    },
    { error: 'a table [[peer]]' },
  );
  // At once, so that the tables of thousands of peers never exist together.
  const peer = z.pipe(peerTable, z.transform(peerOptions));
  return z.strictObject(
    {
      listen: listenField,
      private_key_file: privateKeyFileField(keyFiles),
      endpoint: z.optional(hostPortField),
      name: z.optional(peerNameField),
      peer: z.optional(z.array(peer, { error: 'tables [[peer]], with double brackets' })),
      congestion: z.optional(congestionField),
      memory_per_peer_mib: z.optional(memoryMibField),
      max_outage_hours: z.optional(outageHoursField),
      idle_timeout_minutes: z.optional(idleMinutesField),
      workers: z.optional(workersField),
      metrics: z.optional(listenField),
      log: z.optional(z.strictObject({ level: z.optional(logLevelField) }, { error: 'a table [log]' })),
    },
    { error: 'a table' },
  );
}

type PeerTable = z.output<z.ZodMiniObject<typeof peerRulesShape>> & {
  readonly name: string;
  readonly public_key: Uint8Array;
  readonly preshared_key_file?: Uint8Array | undefined;
};

function peerOptions(table: PeerTable): RelayPeerOptions {
  const { name, public_key: publicKey, preshared_key_file: presharedKey } = table;
  return {
    name,
    publicKey,
    ...peerRulesOf(table),
    ...(presharedKey === undefined ? {} : { presharedKey }),
  };
}

/** Finds names and keys that a peer of the store shares with the config or with another peer of the store. */
function conflicts(directory: string, config: RelayConfig, stored: readonly StoredPeer[]): string[] {
  if (stored.length === 0) return [];
  const names = new Set(config.peers.map(({ name }) => name));
  const owners = new Map(config.peers.map(({ name, publicKey }) => [encodeKey(publicKey), name]));
  owners.set(encodeKey(config.publicKey), 'this relay');
  return stored.flatMap(({ name, enrolled }) => {
    const place = `${directory}/${name}:1:`;
    const key = enrolled && encodeKey(enrolled.publicKey);
    const owner = key === undefined ? undefined : owners.get(key);
    if (key !== undefined) owners.set(key, name);
    const found: string[] = [];
    if (names.has(name)) {
      found.push(
        `${place} ${name} is also a [[peer]] of the config: rename that one, or underpass revoke ${name}`,
      );
    }
    if (owner !== undefined) found.push(`${place} ${name} and ${owner} have the same public key`);
    return found;
  });
}

/** Finds peers with the same name or key. Works on the raw document, so that other problems do not hide it. */
function repeatedPeers(
  document: TomlDocument,
  key: 'name' | 'public_key',
  show: (value: string) => string,
): Problem[] {
  const problems: Problem[] = [];
  const firstIndexes = new Map<string, number>();
  for (const [index, peer] of rawPeers(document).entries()) {
    const value = valueAt(peer, [key]);
    if (typeof value !== 'string') continue;
    const firstIndex = firstIndexes.get(value);
    if (firstIndex === undefined) {
      firstIndexes.set(value, index);
      continue;
    }
    const found = key === 'name' ? JSON.stringify(show(value)) : show(value);
    const firstLine = document.lineOf(['peer', firstIndex, key]);
    problems.push({
      line: document.lineOf(['peer', index, key]),
      text: `peer.${key}: found ${found} as on line ${firstLine}, expected each peer to have its own`,
    });
  }
  return problems;
}

/** @param what  how the message refers to the key `own` */
function peersWithKey(
  document: TomlDocument,
  peers: readonly RelayPeerOptions[],
  own: Uint8Array,
  what: string,
): Problem[] {
  const problems: Problem[] = [];
  for (const [index, { publicKey }] of peers.entries()) {
    if (!isSameKey(publicKey, own)) continue;
    problems.push({
      line: document.lineOf(['peer', index, 'public_key']),
      text: `peer.public_key: found ${what}, expected the client's public key`,
    });
  }
  return problems;
}

function rawPeers(document: TomlDocument): readonly unknown[] {
  const peers = valueAt(document.value, ['peer']);
  return Array.isArray(peers) ? peers : [];
}
