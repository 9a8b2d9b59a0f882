/** relay.toml: where a relay listens, who may connect and what each peer may reach (docs/cli.md). */

import type { CongestionControllerName } from '@underpass/protocol';
import type { RelayPeerOptions } from '@underpass/relay';
import * as z from 'zod';
import { ConfigError } from '../cli-error.js';
import type { ListenAddress } from '../host-port.js';
import { decodeKey, isSameKey } from '../key-text.js';
import type { LogLevel } from '../log-level.js';
import { publicKeyOf } from '../public-key.js';
import {
  allowField,
  congestionField,
  listenField,
  logLevelField,
  memoryMibField,
  outageHoursField,
  peerNameField,
  presharedKeyFileField,
  privateKeyFileField,
  publicKeyField,
} from './fields.js';
import { type Problem, problemLines, schemaProblems, valueAt } from './schema-problems.js';
import { readTomlDocument, type TomlDocument } from './toml-document.js';

export interface RelayConfig {
  readonly listen: ListenAddress;
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly peers: readonly RelayPeerOptions[];
  readonly congestion: CongestionControllerName | undefined;
  readonly memoryPerPeerBytes: number | undefined;
  readonly maxOutageMs: number | undefined;
  readonly logLevel: LogLevel | undefined;
}

/** Overwrites the keys. A running relay has copies of them. */
export function wipeKeys({ privateKey, peers }: RelayConfig): void {
  privateKey.fill(0);
  for (const { presharedKey } of peers) presharedKey?.fill(0);
}

/** @throws CliError when the file cannot be read, ConfigError with everything that is wrong in it */
export function loadRelayConfig(file: string): RelayConfig {
  return relayConfigOf(readTomlDocument(file));
}

/** @throws ConfigError */
export function relayConfigOf(document: TomlDocument): RelayConfig {
  const schema = relaySchema(document.directory);
  const result = schema.safeParse(document.value);
  const problems = result.success ? [] : schemaProblems(document, schema, result.error.issues);
  problems.push(...repeatedPeers(document, 'name', String));
  problems.push(...repeatedPeers(document, 'public_key', () => 'the same key'));
  const publicKey = result.success ? publicKeyOf(result.data.private_key_file) : undefined;
  if (result.success && publicKey !== undefined) {
    problems.push(...peersWithKey(document, publicKey, "this relay's own public key"));
    const privateKey = result.data.private_key_file;
    problems.push(...peersWithKey(document, privateKey, "this relay's private key (not shown)"));
  }
  if (!result.success || publicKey === undefined || problems.length > 0) {
    throw new ConfigError(problemLines(document, problems));
  }
  const { listen, private_key_file, peer, congestion, memory_per_peer_mib, max_outage_hours, log } =
    result.data;
  return {
    listen,
    privateKey: private_key_file,
    publicKey,
    peers: (peer ?? []).map(peerOptions),
    congestion,
    memoryPerPeerBytes: memory_per_peer_mib,
    maxOutageMs: max_outage_hours,
    logLevel: log?.level,
  };
}

function relaySchema(directory: string) {
  const peer = z.strictObject(
    {
      name: peerNameField,
      public_key: publicKeyField,
      preshared_key_file: presharedKeyFileField(directory).optional(),
      allow: z.array(allowField, { error: 'a list of rules, for example ["localhost:80"]' }),
    },
    { error: 'a table [[peer]]' },
  );
  return z.strictObject(
    {
      listen: listenField,
      private_key_file: privateKeyFileField(directory),
      peer: z.array(peer, { error: 'tables [[peer]], with double brackets' }).optional(),
      congestion: congestionField.optional(),
      memory_per_peer_mib: memoryMibField.optional(),
      max_outage_hours: outageHoursField.optional(),
      log: z.strictObject({ level: logLevelField.optional() }, { error: 'a table [log]' }).optional(),
    },
    { error: 'a table' },
  );
}

type PeerTable = NonNullable<z.output<ReturnType<typeof relaySchema>>['peer']>[number];

function peerOptions(table: PeerTable): RelayPeerOptions {
  const { name, public_key: publicKey, preshared_key_file: presharedKey, allow } = table;
  return { name, publicKey, allow, ...(presharedKey === undefined ? {} : { presharedKey }) };
}

/** Finds peers with the same name or key. Works on the raw document, so that other problems do not hide it. */
function repeatedPeers(
  document: TomlDocument,
  key: 'name' | 'public_key',
  show: (value: string) => string,
): Problem[] {
  const firstLines = new Map<string, number>();
  return rawPeers(document).flatMap((_peer, index) => {
    const path = ['peer', index, key];
    const value = valueAt(document.value, path);
    if (typeof value !== 'string') return [];
    const line = document.lineOf(path);
    const firstLine = firstLines.get(value);
    if (firstLine === undefined) {
      firstLines.set(value, line);
      return [];
    }
    const found = key === 'name' ? JSON.stringify(show(value)) : show(value);
    return [
      {
        line,
        text: `peer.${key}: found ${found} as on line ${firstLine}, expected each peer to have its own`,
      },
    ];
  });
}

/** @param what  how the message refers to the key `own` */
function peersWithKey(document: TomlDocument, own: Uint8Array, what: string): Problem[] {
  return rawPeers(document).flatMap((_peer, index) => {
    const path = ['peer', index, 'public_key'];
    const key = decodeKey(String(valueAt(document.value, path)));
    if (key === undefined || !isSameKey(key, own)) return [];
    const text = `peer.public_key: found ${what}, expected the client's public key`;
    return [{ line: document.lineOf(path), text }];
  });
}

function rawPeers(document: TomlDocument): readonly unknown[] {
  const peers = valueAt(document.value, ['peer']);
  return Array.isArray(peers) ? peers : [];
}
