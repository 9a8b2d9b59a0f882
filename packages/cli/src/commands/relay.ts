/** `underpass relay`: runs the relay that a config file describes, and writes the first one. */
import { existsSync } from 'node:fs';
import { formatTarget } from '@underpass/forward';
import { type Relay, startRelay } from '@underpass/relay';
import { type Log, shortKey } from '@underpass/runtime';
import { Command } from 'commander';
import { defaultRelayConfigFile } from '../config/default-paths.js';
import { writeFirstRelayConfig } from '../config/first-relay-config.js';
import { loadRelayConfig, type RelayConfig } from '../config/relay-config.js';
import { failureOf } from '../failure-lines.js';
import type { ListenAddress } from '../host-port.js';
import { openKeyLog } from '../key-log.js';
import { encodeKey } from '../key-text.js';
import { type LogLevel, openLog } from '../log.js';
import { untilStopSignal } from '../stop-signal.js';
import { printLine } from '../terminal.js';
import { endWithInternalError } from './internal-error.js';
import { keyLogOption, listenValue, logLevelOption } from './option-values.js';
import { logRelayEvent, logRelaySummary } from './relay-log.js';

interface RelayFlags {
  readonly config?: string;
  readonly listen?: ListenAddress;
  readonly keyLog?: string;
  readonly logLevel?: LogLevel;
}

export function relayCommand(): Command {
  return new Command('relay')
    .description('Run a relay: clients with a key that it knows may reach what its config allows.')
    .option(
      '--config <file>',
      'the config file (default: ~/.config/underpass/relay.toml, written if missing)',
    )
    .option('--listen <[host:]port>', 'listen here and not where the config says', listenValue)
    .addOption(keyLogOption())
    .addOption(logLevelOption())
    .addHelpText('after', '\nExample:\n  underpass relay --listen 51820')
    .action((flags: RelayFlags) => runRelay(flags));
}

async function runRelay(flags: RelayFlags): Promise<void> {
  const file = flags.config ?? defaultRelayConfigFile();
  const isFirstRun = flags.config === undefined && !existsSync(file);
  if (isFirstRun)
    writeFirstRelayConfig(file, flags.listen === undefined ? undefined : listenText(flags.listen));
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
  const stop = untilStopSignal();
  process.on('SIGHUP', () => reload(relay, file, config, log));
  if (isFirstRun) printNextSteps(file, config, relay);
  announce(relay, config, log);
  const signal = await stop;
  logRelaySummary(log, relay.status());
  await relay.close();
  log.info({ event: 'stopped', signal }, 'stopped');
}

function announce(relay: Relay, config: RelayConfig, log: Log): void {
  const place = formatTarget({ host: relay.address.address, port: relay.address.port });
  log.info(
    {
      event: 'listening',
      address: relay.address.address,
      port: relay.address.port,
      publicKey: shortKey(config.publicKey),
      peers: config.peers.length,
    },
    `listening on UDP ${place} as ${shortKey(config.publicKey)} for ${count(config.peers.length, 'peer')}`,
  );
  if (config.peers.length === 0) {
    log.warn(
      { event: 'no-peers' },
      'nobody can connect yet: add a [[peer]] to the config and reload with SIGHUP',
    );
  }
}

/** SIGHUP: the list of peers is read again; whoever stays keeps every stream. A broken file changes nothing. */
function reload(relay: Relay, file: string, running: RelayConfig, log: Log): void {
  try {
    const config = loadRelayConfig(file);
    config.privateKey.fill(0);
    relay.setPeers(config.peers);
    log.info(
      { event: 'reloaded', peers: config.peers.length },
      `reloaded ${file}: ${count(config.peers.length, 'peer')}`,
    );
    const isOther = encodeKey(config.publicKey) !== encodeKey(running.publicKey);
    const hasMoved = listenText(config.listen) !== listenText(running.listen);
    const isTunedAnew =
      config.congestion !== running.congestion ||
      config.memoryPerPeerBytes !== running.memoryPerPeerBytes ||
      config.maxOutageMs !== running.maxOutageMs;
    if (isOther || hasMoved || isTunedAnew) {
      log.warn(
        { event: 'restart-needed' },
        'listen, private_key_file, congestion, memory_per_peer_mib and max_outage_hours take effect with the next start only',
      );
    }
  } catch (error) {
    for (const line of failureOf(error).lines) log.error({ event: 'reload-failed' }, `not reloaded: ${line}`);
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
       kill -HUP ${process.pid}
  3. On the client, with this machine's name or address:
       underpass client --relay HOST:${relay.address.port} --relay-key ${publicKey} \\
         --key client.key -L 8080:localhost:80

Later starts need no options: underpass relay
`);
}

function listenText(listen: ListenAddress): string {
  return listen.host === undefined
    ? String(listen.port)
    : formatTarget({ host: listen.host, port: listen.port });
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
