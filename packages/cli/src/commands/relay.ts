/** `underpass relay`: runs the relay that a config file describes, and writes the first config. */
import { existsSync, rmSync } from 'node:fs';
import { formatTarget } from '@underpass/forward';
import { type Relay, startRelay } from '@underpass/relay';
import { type Log, shortKey } from '@underpass/runtime';
import { defaultRelayConfigFile } from '../config/default-paths.js';
import { writeFirstRelayConfig } from '../config/first-relay-config.js';
import { loadRelayConfig, type RelayConfig, wipeKeys } from '../config/relay-config.js';
import { openRelayControl } from '../control/relay-control.js';
import type { ListenAddress } from '../host-port.js';
import { openKeyLog } from '../key-log.js';
import { encodeKey } from '../key-text.js';
import { openLog } from '../log.js';
import type { LogLevel } from '../log-level.js';
import { untilStopSignal } from '../stop-signal.js';
import { printLine } from '../terminal.js';
import { endWithInternalError } from './internal-error.js';
import { logRelayEvent, logRelaySummary } from './relay-log.js';
import { reload, reloadOnSignal } from './reload.js';

/** The options of the command line. */
export interface RelayFlags {
  readonly config?: string;
  readonly listen?: ListenAddress;
  readonly keyLog?: string;
  readonly logLevel?: LogLevel;
}

/** Runs until a signal stops it. */
export async function runRelay(flags: RelayFlags): Promise<void> {
  // From here on SIGHUP reloads the config; while the relay starts, it is remembered. Before this point the entry
  // ignores it.
  let onReload = (): void => {
    isReloadDue = true;
  };
  let isReloadDue = false;
  process.on('SIGHUP', () => onReload());

  const file = flags.config ?? defaultRelayConfigFile();
  const isFirstRun = flags.config === undefined && !existsSync(file);
  if (isFirstRun)
    writeFirstRelayConfig(file, flags.listen === undefined ? undefined : listenText(flags.listen));
  let started: StartedRelay;
  try {
    started = await start(file, flags);
  } catch (error) {
    // The config cannot work, so remove it: the next start must not find it. The key is fine, so it stays.
    if (isFirstRun) rmSync(file, { force: true });
    throw error;
  }
  const { relay, config, log } = started;
  const stop = untilStopSignal();
  if (isFirstRun) printNextSteps(file, config, relay);
  const control = await openRelayControl({
    relay,
    config: file,
    publicKey: config.publicKey,
    reload: () => reload(relay, file, config, log),
    log,
  });
  announce(relay, file, config, log);
  onReload = () => reloadOnSignal(relay, file, config, log);
  if (isReloadDue) onReload();
  const signal = await stop;
  control?.close();
  logRelaySummary(log, relay.status());
  await relay.close();
  log.info({ event: 'stopped', signal }, 'stopped');
}

interface StartedRelay {
  readonly relay: Relay;
  readonly config: RelayConfig;
  readonly log: Log;
}

async function start(file: string, flags: RelayFlags): Promise<StartedRelay> {
  const config = loadRelayConfig(file);
  const log = openLog(flags.logLevel ?? config.logLevel ?? 'info');
  const keyLog = flags.keyLog === undefined ? undefined : openKeyLog(flags.keyLog, log);
  const relay = await startRelay({
    listen: flags.listen ?? config.listen,
    privateKey: config.privateKey,
    peers: config.peers,
    log,
    onEvent: (event) => logRelayEvent(log, event),
    onFatal: endWithInternalError,
    ...(config.congestion && { congestion: config.congestion }),
    ...(config.memoryPerPeerBytes && { memoryPerPeerBytes: config.memoryPerPeerBytes }),
    ...(config.maxOutageMs && { maxOutageMs: config.maxOutageMs }),
    ...(keyLog === undefined ? {} : { keyLog }),
  });
  wipeKeys(config);
  return { relay, config, log };
}

function announce(relay: Relay, file: string, config: RelayConfig, log: Log): void {
  const place = formatTarget({ host: relay.address.address, port: relay.address.port });
  log.info(
    {
      event: 'listening',
      address: relay.address.address,
      port: relay.address.port,
      publicKey: shortKey(config.publicKey),
      peers: config.peers.length,
    },
    `listening on UDP ${place} as ${shortKey(config.publicKey)} for ${count(config.peers.length, 'peer')} (to reload ${file}: ${reloadCommand()})`,
  );
  if (config.peers.length === 0) {
    log.warn(
      { event: 'no-peers' },
      `nobody can connect yet: add a [[peer]] to ${file}, then reload it: ${reloadCommand()}`,
    );
  }
}

function printNextSteps(file: string, config: RelayConfig, relay: Relay): void {
  const publicKey = encodeKey(config.publicKey);
  printLine(`Wrote ${file} and a private key beside it, relay.key.

This relay's public key:
  ${publicKey}

What to do next:
  1. On the client, make a key and show its public half:
       (umask 077; underpass keygen > client.key); underpass pubkey < client.key
  2. Here, add a [[peer]] with that public key and what it may reach to
       ${file}
     and reload:
       ${reloadCommand()}
  3. On the client, with this machine's name or address:
       underpass client --relay HOST:${relay.address.port} --relay-key ${publicKey} \\
         --key client.key -L 8080:localhost:80

Later starts need no options: underpass relay
`);
}

function reloadCommand(): string {
  return `kill -HUP ${process.pid}`;
}

function listenText(listen: ListenAddress): string {
  return listen.host === undefined
    ? String(listen.port)
    : formatTarget({ host: listen.host, port: listen.port });
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
