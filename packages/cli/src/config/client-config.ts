/** client.toml: one relay and the forwards through it (docs/cli.md). */
import type { Forward } from '@underpass/forward';
import type { CongestionControllerName } from '@underpass/protocol';
import * as z from 'zod/mini';
import { ConfigError } from '../cli-error.js';
import type { HostPort, ListenAddress } from '../host-port.js';
import { isSameKey } from '../key-text.js';
import { DEFAULT_CONNECT_TIMEOUT_SECONDS } from '../limits.js';
import type { LogLevel } from '../log-level.js';
import { publicKeyOf } from '../public-key.js';
import {
  congestionField,
  connectTimeoutField,
  dynamicForwardField,
  hostPortField,
  keepaliveSecondsField,
  listenField,
  localForwardField,
  logLevelField,
  memoryMibField,
  presharedKeyFileField,
  privateKeyFileField,
  publicKeyField,
  reverseForwardField,
  udpForwardField,
} from './fields.js';
import { KeyFiles } from './key-files.js';
import { type Problem, problemLines, schemaProblems } from './schema-problems.js';
import { readTomlDocument, type TomlDocument } from './toml-document.js';

export interface ClientConfig {
  readonly relay: HostPort;
  readonly relayPublicKey: Uint8Array;
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly presharedKey: Uint8Array | undefined;
  /** 0 turns it off. */
  readonly persistentKeepaliveSeconds: number;
  /** How long a local connection waits for a relay that was not reached yet. 0 waits forever. */
  readonly connectTimeoutSeconds: number;
  /** All kinds together. */
  readonly forwards: readonly Forward[];
  readonly congestion: CongestionControllerName | undefined;
  readonly memoryPerPeerBytes: number | undefined;
  /** Where to serve metrics. */
  readonly metrics: ListenAddress | undefined;
  readonly logLevel: LogLevel | undefined;
}

/** @throws CliError when the file cannot be read, ConfigError with everything that is wrong in it */
export function loadClientConfig(file: string): ClientConfig {
  return clientConfigOf(readTomlDocument(file));
}

/** @throws ConfigError */
export function clientConfigOf(document: TomlDocument): ClientConfig {
  const keyFiles = new KeyFiles(document.directory);
  return keyFiles.wipeUnlessAccepted(() => checked(document, keyFiles));
}

function checked(document: TomlDocument, keyFiles: KeyFiles): ClientConfig {
  const schema = clientSchema(keyFiles);
  const result = schema.safeParse(document.value);
  if (!result.success) {
    throw new ConfigError(problemLines(document, schemaProblems(document, schema, result.error.issues)));
  }
  const table = result.data;
  const publicKey = publicKeyOf(table.private_key_file);
  const relayKey = table.relay_public_key;
  const isOwn = isSameKey(relayKey, publicKey);
  if (isOwn || isSameKey(relayKey, table.private_key_file)) {
    const found = isOwn ? "this client's own public key" : "this client's private key (not shown)";
    const problem: Problem = {
      line: document.lineOf(['relay_public_key']),
      text: `relay_public_key: found ${found}, expected the relay's public key`,
    };
    throw new ConfigError(problemLines(document, [problem]));
  }
  return {
    relay: table.relay,
    relayPublicKey: table.relay_public_key,
    privateKey: table.private_key_file,
    publicKey,
    presharedKey: table.preshared_key_file,
    persistentKeepaliveSeconds: table.persistent_keepalive_seconds ?? 0,
    connectTimeoutSeconds: table.connect_timeout_seconds ?? DEFAULT_CONNECT_TIMEOUT_SECONDS,
    forwards: [
      ...(table.local_forwards?.flat() ?? []),
      ...(table.dynamic_forwards ?? []),
      ...(table.udp_forwards?.flat() ?? []),
      ...(table.reverse_forwards?.flat() ?? []),
    ],
    congestion: table.congestion,
    memoryPerPeerBytes: table.memory_per_peer_mib,
    metrics: table.metrics,
    logLevel: table.log?.level,
  };
}

/** The keys of a client's config. */
export function clientConfigKeys(): string[] {
  return Object.keys(clientSchema(new KeyFiles()).shape);
}

function clientSchema(keyFiles: KeyFiles) {
  return z.strictObject(
    {
      relay: hostPortField,
      relay_public_key: publicKeyField,
      private_key_file: privateKeyFileField(keyFiles),
      preshared_key_file: z.optional(presharedKeyFileField(keyFiles)),
      persistent_keepalive_seconds: z.optional(keepaliveSecondsField),
      connect_timeout_seconds: z.optional(connectTimeoutField),
      local_forwards: z.optional(
        z.array(localForwardField, { error: 'a list of forwards, for example ["8080:localhost:80"]' }),
      ),
      udp_forwards: z.optional(
        z.array(udpForwardField, { error: 'a list of forwards, for example ["5353:9.9.9.9:53"]' }),
      ),
      dynamic_forwards: z.optional(
        z.array(dynamicForwardField, { error: 'a list of ports, for example ["1080"]' }),
      ),
      reverse_forwards: z.optional(
        z.array(reverseForwardField, { error: 'a list of forwards, for example ["8080:localhost:3000"]' }),
      ),
      congestion: z.optional(congestionField),
      memory_per_peer_mib: z.optional(memoryMibField),
      metrics: z.optional(listenField),
      log: z.optional(z.strictObject({ level: z.optional(logLevelField) }, { error: 'a table [log]' })),
    },
    { error: 'a table' },
  );
}
