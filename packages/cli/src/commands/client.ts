/** `underpass client`: forwards local ports through one relay. */
import path from 'node:path';
import type {
  DynamicForward,
  Forward,
  LocalForward,
  ReverseForward,
  Target,
  UdpForward,
} from '@underpass/forward';
import { withProxyProtocol } from '@underpass/forward/syntax';
import type { Log, SocketKind, SuiteName } from '@underpass/runtime';
import { usageError } from '../cli-error.js';
import { type ClientConfig, loadClientConfig } from '../config/client-config.js';
import { configVersion } from '../config/config-watch.js';
import { noRelayGiven, type SavedRelay } from '../config/saved-relays.js';
import { requireDistinctPlaces } from '../distinct-places.js';
import type { HostPort, ListenAddress } from '../host-port.js';
import type { InspectPort } from '../inspect/open-inspector.js';
import { readKeyFile, readPrivateKeyFile } from '../key-file.js';
import { isSameKey } from '../key-text.js';
import { DEFAULT_CONNECT_TIMEOUT_SECONDS } from '../limits.js';
import { openLog } from '../log.js';
import type { LogLevel } from '../log-level.js';
import { publicKeyOf } from '../public-key.js';
import { openRecordings, type RecordingFlags } from '../recording/recordings.js';
import { relayOf } from './enrol.js';
import type { LoadedClientConfig } from './follow-client-config.js';
import { runForwards, runOneConnection } from './run-client.js';

/** The options of the command line. */
export interface ClientFlags extends RecordingFlags {
  readonly as?: string;
  readonly config?: string;
  readonly relay?: HostPort;
  readonly relayKey?: Uint8Array;
  readonly key?: string;
  readonly presharedKey?: string;
  readonly localForward?: readonly LocalForward[];
  readonly udpForward?: readonly UdpForward[];
  readonly proxyProtocol?: boolean;
  readonly dynamicForward?: readonly DynamicForward[];
  readonly reverseForward?: readonly ReverseForward[];
  readonly stdio?: Target;
  readonly persistentKeepalive?: number;
  readonly connectTimeout?: number;
  readonly metrics?: ListenAddress;
  readonly inspect?: InspectPort;
  readonly suite?: SuiteName;
  readonly socket?: SocketKind;
  readonly logLevel?: LogLevel;
}

/** Runs until a signal stops it.
 *  @param relay  the name of a saved relay, a link, or `-` for a link on stdin; undefined if options say which relay */
export async function runClient(relay: string | undefined, options: ClientFlags): Promise<void> {
  requireCompatible(options); // before a link is used up
  let log: Promise<Log> | undefined;
  const openedLog = (level: LogLevel = options.stdio === undefined ? 'info' : 'error'): Promise<Log> => {
    log ??= openLog(options.logLevel ?? level);
    return log;
  };
  const saved = relay === undefined ? undefined : await findRelay(relay, options, openedLog);
  const flags = saved === undefined ? options : { ...options, config: saved.file };
  const loaded = flags.config === undefined ? undefined : loadFile(flags.config, flags);
  const config = clientConfigFrom(flags, loaded?.config);
  const name = saved?.name ?? credentialName(flags.config) ?? config.relay.host;
  if (flags.stdio !== undefined) {
    const log = await openedLog('error');
    await runOneConnection(flags.stdio, {
      config,
      name,
      log,
      suite: flags.suite,
      socket: flags.socket,
      record: () => openRecordings(flags, 'client', log),
    });
    return;
  }
  requireDistinctPlaces(config.forwards);
  if (config.forwards.length === 0) {
    const hint = 'give a forward, for example -L [BIND:]PORT:HOST:HOSTPORT or -D [BIND:]PORT';
    if (saved === undefined || log === undefined) throw usageError('nothing to forward', hint);
    (await log).info({ event: 'stopped' }, `nothing to forward yet: ${hint}`);
    return;
  }
  const runLog = await openedLog(config.logLevel);
  const { suite, socket, inspect } = flags;
  const record = () => openRecordings(flags, 'client', runLog);
  await runForwards({ config, name, log: runLog, suite, socket, record, inspect, loaded });
}

/** @throws CliError when the forwards of the command line do not go together */
function requireCompatible(flags: ClientFlags): void {
  const forwards = forwardsOf(flags);
  if (flags.stdio !== undefined && forwards.length > 0) {
    throw usageError(
      '-W carries one connection and cannot be combined with other forwards',
      'leave them out',
    );
  }
  if (flags.stdio !== undefined && flags.inspect !== undefined) {
    throw usageError('-W logs no link with which to open the inspector', 'leave out -W, or --inspect');
  }
  requireDistinctPlaces(forwards);
}

/** @throws CliError when the argument and the options do not fit, or it leads to no relay */
async function findRelay(relay: string, flags: ClientFlags, log: () => Promise<Log>): Promise<SavedRelay> {
  const given = [...givenRelayOptions(flags), ...(flags.config === undefined ? [] : ['--config'])];
  if (given[0] !== undefined) {
    throw usageError(`${given[0]} cannot be combined with a relay's name or link`, 'give one or the other');
  }
  if (relay === '-' && flags.stdio !== undefined) {
    throw usageError('-W reads stdin itself, so the link cannot come from there', 'enrol first, without -W');
  }
  return relayOf(relay, flags.as, log);
}

/** The name of a saved relay whose config systemd has handed to this service (docs/adr/0021-service.md). */
function credentialName(file: string | undefined, environment = process.env): string | undefined {
  if (file === undefined || path.dirname(file) !== environment.CREDENTIALS_DIRECTORY) return undefined;
  return path.basename(file, '.toml');
}

function loadFile(file: string, flags: ClientFlags): LoadedClientConfig {
  refuseBesideConfig(flags);
  return { file, version: configVersion(file), config: loadClientConfig(file) };
}

/** @param fromFile  the config of `flags.config`, if it has been read
 *  @throws CliError for an invalid combination of options, or an invalid file */
export function clientConfigFrom(flags: ClientFlags, fromFile?: ClientConfig): ClientConfig {
  if (flags.config !== undefined) {
    refuseBesideConfig(flags);
    const config = fromFile ?? loadClientConfig(flags.config);
    return {
      ...config,
      forwards: [...config.forwards, ...forwardsOf(flags)],
      persistentKeepaliveSeconds: flags.persistentKeepalive ?? config.persistentKeepaliveSeconds,
      connectTimeoutSeconds: flags.connectTimeout ?? config.connectTimeoutSeconds,
      metrics: flags.metrics ?? config.metrics,
    };
  }
  const { relay, relayKey, key } = flags;
  if (relay === undefined || relayKey === undefined || key === undefined) {
    const missing = Object.entries({ '--relay': relay, '--relay-key': relayKey, '--key': key })
      .filter(([, value]) => value === undefined)
      .map(([name]) => name);
    if (missing.length === 3) {
      throw noRelayGiven('the link of an invite, --config FILE, or --relay, --relay-key and --key');
    }
    throw usageError(
      `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
      'give --config FILE, or --relay HOST:PORT, --relay-key PUBLIC_KEY and --key FILE',
    );
  }
  const privateKey = readPrivateKeyFile(key);
  const publicKey = publicKeyOf(privateKey);
  if (isSameKey(privateKey, relayKey)) {
    throw usageError(
      `--relay-key is the same key as in ${key}, but one must be public and the other private`,
      'if it is your private key, other users could see it: make a new one',
    );
  }
  if (isSameKey(publicKey, relayKey)) {
    throw usageError(
      "--relay-key is this client's own public key",
      "give the relay's: on the relay, underpass pubkey < relay.key",
    );
  }
  return {
    relay,
    relayPublicKey: relayKey,
    privateKey,
    publicKey,
    presharedKey: flags.presharedKey === undefined ? undefined : readKeyFile(flags.presharedKey),
    persistentKeepaliveSeconds: flags.persistentKeepalive ?? 0,
    connectTimeoutSeconds: flags.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_SECONDS,
    forwards: forwardsOf(flags),
    congestion: undefined,
    memoryPerPeerBytes: undefined,
    metrics: flags.metrics,
    logLevel: undefined,
  };
}

function forwardsOf(flags: ClientFlags): readonly Forward[] {
  const { localForward = [], dynamicForward = [], udpForward = [], reverseForward = [] } = flags;
  if (flags.proxyProtocol !== true) {
    return [...localForward, ...dynamicForward, ...udpForward, ...reverseForward];
  }
  if (localForward.length + reverseForward.length === 0) {
    throw usageError(
      '--proxy-protocol needs a -L or -R whose target is to be told who connected',
      'in a config file, write ,proxy-protocol behind the forward',
    );
  }
  const local = localForward.map(withProxyProtocol);
  return [...local, ...dynamicForward, ...udpForward, ...reverseForward.map(withProxyProtocol)];
}

function refuseBesideConfig(flags: ClientFlags): void {
  const [given] = givenRelayOptions(flags);
  if (given === undefined) return;
  throw usageError(
    `${given} cannot be combined with --config`,
    'put it into the config file, or leave --config out',
  );
}

/** The options that say which relay it is, and with which keys. */
function givenRelayOptions(flags: ClientFlags): string[] {
  return Object.entries({
    '--relay': flags.relay,
    '--relay-key': flags.relayKey,
    '--key': flags.key,
    '--preshared-key': flags.presharedKey,
  })
    .filter(([, value]) => value !== undefined)
    .map(([option]) => option);
}
