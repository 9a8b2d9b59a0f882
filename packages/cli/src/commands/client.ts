/** `underpass client`: forwards local ports through one relay. */
import { isatty } from 'node:tty';
import { type Client, type ClientEvent, startClient } from '@underpass/client';
import { formatTarget, type LocalForward, type Target, type UdpForward } from '@underpass/forward';
import { type Log, shortKey } from '@underpass/runtime';
import { usageError } from '../cli-error.js';
import { type ClientConfig, loadClientConfig } from '../config/client-config.js';
import type { SavedRelay } from '../config/saved-relays.js';
import { openClientControl } from '../control/client-control.js';
import type { HostPort } from '../host-port.js';
import { readKeyFile, readPrivateKeyFile } from '../key-file.js';
import { openKeyLog } from '../key-log.js';
import { isSameKey } from '../key-text.js';
import { DEFAULT_CONNECT_TIMEOUT_SECONDS } from '../limits.js';
import { openLog } from '../log.js';
import type { LogLevel } from '../log-level.js';
import { publicKeyOf } from '../public-key.js';
import { serviceManager } from '../service/notify.js';
import { untilStopSignal } from '../stop-signal.js';
import { logClientEvent, logClientSummary, logForward } from './client-log.js';
import { relayOf } from './enrol.js';
import { endWithInternalError } from './internal-error.js';
import { runStdio } from './stdio.js';

/** The options of the command line. */
export interface ClientFlags {
  readonly as?: string;
  readonly config?: string;
  readonly relay?: HostPort;
  readonly relayKey?: Uint8Array;
  readonly key?: string;
  readonly presharedKey?: string;
  readonly localForward?: readonly LocalForward[];
  readonly udpForward?: readonly UdpForward[];
  readonly stdio?: Target;
  readonly persistentKeepalive?: number;
  readonly connectTimeout?: number;
  readonly keyLog?: string;
  readonly logLevel?: LogLevel;
}

/** Runs until a signal stops it.
 *  @param relay  the name of a saved relay, a link, or `-` for a link on stdin; undefined if options say which relay */
export async function runClient(relay: string | undefined, options: ClientFlags): Promise<void> {
  let log: Log | undefined;
  const openedLog = (level: LogLevel = options.stdio === undefined ? 'info' : 'error'): Log => {
    log ??= openLog(options.logLevel ?? level);
    return log;
  };
  const saved = relay === undefined ? undefined : await findRelay(relay, options, openedLog);
  const flags = saved === undefined ? options : { ...options, config: saved.file };
  const config = clientConfigFrom(flags);
  if (flags.stdio !== undefined) {
    if (flags.localForward !== undefined || flags.udpForward !== undefined) {
      const other = flags.localForward === undefined ? '-U' : '-L';
      throw usageError(
        `-W carries one connection and cannot be combined with ${other}`,
        'leave one of them out',
      );
    }
    const log = openedLog('error');
    const keyLog = flags.keyLog === undefined ? undefined : openKeyLog(flags.keyLog, log);
    const start = (onEvent: (event: ClientEvent) => void) =>
      startFrom({ ...config, localForwards: [], udpForwards: [] }, log, keyLog, onEvent);
    await runStdio(flags.stdio, log, start);
    return;
  }
  if (config.localForwards.length + config.udpForwards.length === 0) {
    const hint = 'give at least one -L [BIND:]PORT:HOST:HOSTPORT';
    if (saved === undefined || log === undefined) throw usageError('nothing to forward', hint);
    log.info({ event: 'stopped' }, `nothing to forward yet: ${hint}`);
    return;
  }
  await runWith(config, flags, openedLog(config.logLevel), saved?.name ?? config.relay.host);
}

/** @throws CliError when the argument and the options do not fit, or it leads to no relay */
async function findRelay(relay: string, flags: ClientFlags, log: () => Log): Promise<SavedRelay> {
  const given = [...givenRelayOptions(flags), ...(flags.config === undefined ? [] : ['--config'])];
  if (given[0] !== undefined) {
    throw usageError(`${given[0]} cannot be combined with a relay's name or link`, 'give one or the other');
  }
  if (relay === '-' && flags.stdio !== undefined) {
    throw usageError('-W reads stdin itself, so the link cannot come from there', 'enrol first, without -W');
  }
  return relayOf(relay, flags.as, log);
}

async function runWith(config: ClientConfig, flags: ClientFlags, log: Log, name: string): Promise<void> {
  const keyLog = flags.keyLog === undefined ? undefined : openKeyLog(flags.keyLog, log);
  const client = await startFrom(config, log, keyLog, (event) => logClientEvent(log, event));
  const stop = untilStopSignal(['SIGINT', 'SIGTERM', 'SIGHUP']);
  const relay = formatTarget(config.relay);
  const control = await openClientControl({
    client,
    facts: {
      name,
      endpoint: relay,
      publicKey: config.publicKey,
      relayPublicKey: config.relayPublicKey,
    },
    log,
  });
  for (const forward of client.forwards) logForward(log, forward);
  log.info(
    {
      event: 'connecting',
      relay,
      publicKey: shortKey(config.publicKey),
      relayKey: shortKey(config.relayPublicKey),
    },
    `connecting to ${relay} as ${shortKey(config.publicKey)}`,
  );
  client.connect();
  // The ports are open. Contact with the relay may take as long as the network is away.
  const manager = serviceManager(log);
  manager.ready(`forwarding through ${relay}`);
  const signal = await stop;
  manager.stopping();
  control?.close();
  logClientSummary(log, client.status());
  await client.close();
  log.info({ event: 'stopped', signal }, 'stopped');
}

async function startFrom(
  config: ClientConfig,
  log: Log,
  keyLog: ((line: string) => void) | undefined,
  onEvent: (event: ClientEvent) => void,
): Promise<Client> {
  const client = await startClient({
    relay: config.relay,
    relayPublicKey: config.relayPublicKey,
    privateKey: config.privateKey,
    forwards: [...config.localForwards, ...config.udpForwards],
    persistentKeepaliveMs: config.persistentKeepaliveSeconds * 1000,
    contactLimitMs: config.connectTimeoutSeconds * 1000,
    // At a terminal the user can correct a misspelt name at once. A service waits for its network.
    refuseUnknownName: isatty(2),
    log,
    onEvent,
    onFatal: endWithInternalError,
    ...(config.presharedKey === undefined ? {} : { presharedKey: config.presharedKey }),
    ...(config.congestion && { congestion: config.congestion }),
    ...(config.memoryPerPeerBytes && { memoryPerPeerBytes: config.memoryPerPeerBytes }),
    ...(keyLog === undefined ? {} : { keyLog }),
  });
  // The endpoint has its own copies.
  config.privateKey.fill(0);
  config.presharedKey?.fill(0);
  return client;
}

/** @throws CliError for an invalid combination of options, or an invalid file */
function clientConfigFrom(flags: ClientFlags): ClientConfig {
  if (flags.config !== undefined) {
    refuseBesideConfig(flags);
    const config = loadClientConfig(flags.config);
    return {
      ...config,
      localForwards: [...config.localForwards, ...(flags.localForward ?? [])],
      udpForwards: [...config.udpForwards, ...(flags.udpForward ?? [])],
      persistentKeepaliveSeconds: flags.persistentKeepalive ?? config.persistentKeepaliveSeconds,
      connectTimeoutSeconds: flags.connectTimeout ?? config.connectTimeoutSeconds,
    };
  }
  const { relay, relayKey, key } = flags;
  if (relay === undefined || relayKey === undefined || key === undefined) {
    const missing = Object.entries({ '--relay': relay, '--relay-key': relayKey, '--key': key })
      .filter(([, value]) => value === undefined)
      .map(([name]) => name);
    const isBare = missing.length === 3;
    throw usageError(
      isBare
        ? 'no relay is given'
        : `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
      'give the name of a saved relay or the link of an invite, or --config FILE, or --relay HOST:PORT, --relay-key PUBLIC_KEY and --key FILE',
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
    localForwards: flags.localForward ?? [],
    udpForwards: flags.udpForward ?? [],
    congestion: undefined,
    memoryPerPeerBytes: undefined,
    logLevel: undefined,
  };
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
