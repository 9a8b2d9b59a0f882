/** `underpass relay`: runs the relay that a config file describes, and writes the first config. */
import { existsSync, rmSync } from 'node:fs';
import { formatTarget } from '@underpass/forward';
import {
  type Relay,
  type RelayEvent,
  type RelayOptions,
  type SharedRelay,
  startRelay,
  startSharedRelay,
} from '@underpass/relay';
import {
  type Log,
  returnFreedMemory,
  type SocketKind,
  type SuiteName,
  shortKey,
  systemTimers,
} from '@underpass/runtime';
import { CliError, systemReason } from '../cli-error.js';
import { collectGarbageOfStart } from '../collect-garbage.js';
import { ConfigWatch, configVersion } from '../config/config-watch.js';
import { defaultRelayConfigFile } from '../config/default-paths.js';
import { writeFirstRelayConfig } from '../config/first-relay-config.js';
import { loadRelayConfig, settingsOf, wipeKeys } from '../config/relay-config.js';
import { controlSockets } from '../control/control-directory.js';
import { EventFeed } from '../control/event-feed.js';
import { openRelayControl } from '../control/relay-control.js';
import { relayFacts, relayReport } from '../control/relay-report.js';
import { ExitCode } from '../exit-code.js';
import type { HostPort, ListenAddress } from '../host-port.js';
import type { InspectServer } from '../inspect/inspect-server.js';
import { inspectedRelay } from '../inspect/inspected-process.js';
import { type InspectPort, openInspector } from '../inspect/open-inspector.js';
import { encodeKey } from '../key-text.js';
import { openLog } from '../log.js';
import type { LogLevel } from '../log-level.js';
import { MetricsServer } from '../metrics/metrics-server.js';
import { joinTaps, openRecordings, type RecordingFlags, type Recordings } from '../recording/recordings.js';
import { serviceManager } from '../service/notify.js';
import { untilStopSignal } from '../stop-signal.js';
import { enrolInStore } from '../store/enrol-in-store.js';
import { makeStore, noteConnected, sweepStore } from '../store/store-changes.js';
import { storeDirectoryOf } from '../store/store-files.js';
import { StoreWatch } from '../store/store-watch.js';
import { printLine } from '../terminal.js';
import { prepareForTraffic, prepareToStart } from '../v8-flags.js';
import { endWithInternalError } from './internal-error.js';
import { logRelayEvent, logRelaySummary } from './relay-log.js';
import { clientsText, type RunningSettings, reload, reloadOnSignal } from './reload.js';
import { ReloadRequests } from './reload-requests.js';

/** The options of the command line. */
export interface RelayFlags extends RecordingFlags {
  readonly config?: string;
  readonly listen?: ListenAddress;
  readonly endpoint?: HostPort;
  readonly metrics?: ListenAddress;
  readonly workers?: number;
  readonly inspect?: InspectPort;
  readonly suite?: SuiteName;
  readonly socket?: SocketKind;
  readonly logLevel?: LogLevel;
}

/** Runs until a signal stops it. */
export async function runRelay(flags: RelayFlags): Promise<void> {
  prepareToStart();
  // From here on SIGHUP reloads the config. Before this point the entry ignores it.
  const reloads = new ReloadRequests();
  process.on('SIGHUP', () => reloads.request());

  const file = flags.config ?? defaultRelayConfigFile();
  const isFirstRun = flags.config === undefined && !existsSync(file);
  if (isFirstRun) {
    writeFirstRelayConfig(file, {
      ...(flags.listen && { listen: listenText(flags.listen) }),
      ...(flags.endpoint && { endpoint: formatTarget(flags.endpoint) }),
    });
  }
  const version = configVersion(file);
  let started: StartedRelay;
  try {
    started = await start(file, flags);
  } catch (error) {
    // The config cannot work, so remove it: the next start must not find it. The key is fine, so it stays.
    if (isFirstRun) rmSync(file, { force: true });
    throw error;
  }
  const { relay, log, settings, feed, recordings, inspect } = started;
  const { publicKey } = settings.atStart;
  const endpoint = flags.endpoint ?? settings.atStart.endpoint;
  const stop = untilStopSignal();
  const manager = serviceManager(log);
  if (isFirstRun) printNextSteps(file, publicKey, relay.address.port);
  const watch = new StoreWatch(storeDirectoryOf(file), () => reloads.request(), systemTimers);
  const configWatch = new ConfigWatch(file, version, () => reloads.request(), systemTimers);
  const control = await openRelayControl({
    relay,
    config: file,
    publicKey,
    endpoint: endpoint && formatTarget(endpoint),
    reload: () => {
      watch.noteSeen();
      configWatch.noteSeen();
      return manager.reloading(() => reload(relay, file, settings, log));
    },
    feed,
    log,
  });
  announce(file, started);
  manager.ready(`listening on UDP port ${relay.address.port}`);
  reloads.serveWith(() => {
    configWatch.noteSeen();
    void manager.reloading(() => reloadOnSignal(relay, file, settings, log));
  });
  collectGarbageOfStart();
  prepareForTraffic();
  returnFreedMemory(); // of the compilers, above all
  const signal = await stop;
  manager.stopping();
  watch.close();
  configWatch.close();
  control?.close();
  inspect?.close();
  logRelaySummary(log, await relay.status());
  await relay.close();
  await recordings.close();
  log.info({ event: 'stopped', signal }, 'stopped');
}

interface StartedRelay {
  readonly relay: Relay | SharedRelay;
  /** How many peers it started with. */
  readonly peers: number;
  readonly invites: number;
  readonly log: Log;
  readonly settings: RunningSettings;
  readonly feed: EventFeed<RelayEvent>;
  readonly recordings: Recordings;
  readonly inspect: InspectServer | undefined;
}

async function start(file: string, flags: RelayFlags): Promise<StartedRelay> {
  const config = loadRelayConfig(file);
  const settings: RunningSettings = { atStart: settingsOf(config), name: config.name };
  const { atStart } = settings;
  const workers = flags.workers ?? atStart.workers ?? 1;
  if (workers > 1) refuseBesideWorkers(flags);
  const log = await openLog(flags.logLevel ?? atStart.logLevel ?? 'info');
  const recordings = openRecordings(flags, 'relay', log);
  const metricsAt = flags.metrics ?? atStart.metrics;
  const metrics = metricsAt && (await MetricsServer.open(metricsAt, log));
  const inspect = await openInspector(flags.inspect, log);
  const feed = new EventFeed<RelayEvent>();
  const store = storeDirectoryOf(file);
  const options: RelayOptions = {
    listen: flags.listen ?? atStart.listen,
    privateKey: config.privateKey,
    peers: config.peers,
    invites: config.invites,
    enrol: (invite, publicKey) => enrolInStore(store, invite, publicKey, Date.now()),
    name: () => settings.name,
    ownSockets: () => controlSockets(),
    log,
    onEvent: (event) => {
      logRelayEvent(log, event);
      keepEvent(store, event, log);
      metrics?.counts.onEvent(event);
      feed.onEvent(event);
    },
    onFatal: endWithInternalError,
    suite: flags.suite,
    socket: flags.socket,
    ...(atStart.congestion && { congestion: atStart.congestion }),
    ...(atStart.memoryPerPeerBytes && { memoryPerPeerBytes: atStart.memoryPerPeerBytes }),
    ...(atStart.maxOutageMs && { maxOutageMs: atStart.maxOutageMs }),
    ...(atStart.idleTimeoutMs && { idleTimeoutMs: atStart.idleTimeoutMs }),
    ...(recordings.keyLog && { keyLog: recordings.keyLog }),
    tap: joinTaps(recordings.tap, inspect?.sampler),
    watch: inspect?.sampler,
  };
  const facts = relayFacts(file, atStart.publicKey);
  const relay =
    workers === 1
      ? await startWatched(options, recordings, inspect, facts.name)
      : await startWorkers(options, workers);
  wipeKeys(config);
  await metrics?.serve(async () => relayReport(facts, await relay.status()));
  prepareStore(store, log);
  const [peers, invites] = [config.peers.length, config.invites.length];
  return { relay, peers, invites, log, settings, feed, recordings, inspect };
}

async function startWatched(
  options: RelayOptions,
  recordings: Recordings,
  inspect: InspectServer | undefined,
  name: string,
): Promise<Relay> {
  const relay = await startRelay(options);
  recordings.begin(() => relay.status().peers.map(({ stats }) => stats));
  inspect?.serve(inspectedRelay(name, relay));
  return relay;
}

/** @throws CliError for what several processes cannot do, before a file or a port is opened for it */
function refuseBesideWorkers({ inspect, capture, qlog, socket }: RelayFlags): void {
  if (inspect !== undefined) {
    throw new CliError(
      ExitCode.usage,
      'the inspector shows one process, and cannot show a relay of several workers',
      'leave out --workers, or --inspect',
    );
  }
  if (capture !== undefined || qlog !== undefined) {
    throw new CliError(
      ExitCode.usage,
      'the traffic of several workers cannot be recorded',
      'leave out --workers, or --capture and --qlog',
    );
  }
  if (socket === 'plain') {
    throw new CliError(
      ExitCode.usage,
      'several workers need the native socket',
      'leave out --workers, or --socket',
    );
  }
}

/** Divides the peers among processes. */
async function startWorkers(
  { tap: _tap, watch: _watch, socket: _socket, onFatal: _, ...options }: RelayOptions,
  workers: number,
): Promise<SharedRelay> {
  const { spawnRelayWorker } = await import('./spawn-relay-worker.js');
  return startSharedRelay({ ...options, workers, spawn: spawnRelayWorker });
}

/** A relay works without a store, but then nobody can enrol. */
function prepareStore(directory: string, log: Log): void {
  try {
    makeStore(directory);
    sweepStore(directory, Date.now());
  } catch (error) {
    log.warn(
      { event: 'store-failed' },
      `nobody can enrol: cannot write ${directory}: ${systemReason(error)}`,
    );
  }
}

/** Remembers the first connection of a peer, after which its link is worth nothing (spec enrolment 4.3). */
function keepEvent(directory: string, event: RelayEvent, log: Log): void {
  if (event.type !== 'peer-connected') return;
  try {
    noteConnected(directory, event.peer);
  } catch (error) {
    log.warn(
      { event: 'store-failed', peer: event.peer },
      `cannot write ${directory}: ${systemReason(error)}`,
    );
  }
}

function announce(file: string, { relay, peers, invites, log, settings }: StartedRelay): void {
  const place = formatTarget({ host: relay.address.address, port: relay.address.port });
  const publicKey = shortKey(settings.atStart.publicKey);
  log.info(
    { event: 'listening', address: relay.address.address, port: relay.address.port, publicKey, peers },
    `listening on UDP ${place} as ${publicKey} for ${clientsText(peers, invites)} (to reload ${file}: ${reloadCommand()})`,
  );
  if (peers === 0 && invites === 0) {
    log.warn(
      { event: 'no-peers' },
      'nobody can connect yet: invite a client with underpass invite NAME --allow TARGET',
    );
  }
}

function printNextSteps(file: string, publicKey: Uint8Array, port: number): void {
  printLine(`Wrote ${file} and a private key beside it, relay.key.

This relay's public key:
  ${encodeKey(publicKey)}

What to do next, while this relay runs:
  1. Let UDP port ${port} through this machine's firewall and its provider's, if they have one.
  2. Here, in another terminal, make a link for a client, and say what it may reach:
       underpass invite laptop --allow localhost:8000
  3. On the client, enrol with that link:
       underpass client LINK -L 8080:localhost:8000

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
