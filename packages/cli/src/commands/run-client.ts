/** Runs a client, or joins the process that runs one with the same keys. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { type Client, type ClientEvent, type ClientOptions, startClient } from '@underpass/client';
import { formatTarget, type Target } from '@underpass/forward';
import { type Log, type SocketKind, type SuiteName, shortKey } from '@underpass/runtime';
import type { ClientConfig } from '../config/client-config.js';
import { type ClientControl, claimClient } from '../control/claim-client.js';
import { type ClientFacts, clientReport } from '../control/client-report.js';
import type { InspectServer } from '../inspect/inspect-server.js';
import { inspectedClient } from '../inspect/inspected-process.js';
import { type InspectPort, openInspector } from '../inspect/open-inspector.js';
import { MetricsServer } from '../metrics/metrics-server.js';
import { joinTaps, type Recordings } from '../recording/recordings.js';
import { serviceManager } from '../service/notify.js';
import { type StopSignal, untilStopSignal } from '../stop-signal.js';
import { prepareForTraffic } from '../v8-flags.js';
import { terminalProgress } from '../wait-progress.js';
import { logClientEvent, logClientSummary, logForward } from './client-log.js';
import { ClientConfigFollower, type LoadedClientConfig } from './follow-client-config.js';
import { endWithInternalError } from './internal-error.js';
import { joinClient } from './join.js';
import { runStdio } from './stdio.js';
import { runStdioThrough } from './stdio-through.js';

/** How often to ask a process that holds the control socket and does not answer: it may be ending. */
const MAX_JOIN_ATTEMPTS = 10;
const JOIN_INTERVAL_MS = 200;

/** The events after which nothing is waited for. */
const END_OF_WAIT: ReadonlySet<ClientEvent['type']> = new Set(['connected', 'resumed', 'disconnected']);

/** What a run needs. */
export interface ClientRun {
  readonly config: ClientConfig;
  /** What `underpass status` calls this client. */
  readonly name: string;
  readonly log: Log;
  /** Undefined for the fastest. */
  readonly suite: SuiteName | undefined;
  /** Undefined for the best. */
  readonly socket: SocketKind | undefined;
  /** Opens what the traffic is recorded in. Not called while another process runs the client. */
  readonly record: () => Recordings;
  readonly inspect?: InspectPort | undefined;
  /** The file that the config came from, to be followed. */
  readonly loaded?: LoadedClientConfig | undefined;
}

/** Carries one connection between standard input and output and a target (`-W`). */
export async function runOneConnection(target: Target, run: ClientRun): Promise<void> {
  const claim = await claimClient(factsOf(run), run.log);
  if (claim.kind === 'taken') {
    await runStdioThrough(claim.socket, target);
    return;
  }
  const { control } = claim;
  const bare = { ...run, config: { ...run.config, forwards: [] } };
  let recordings: Recordings | undefined;
  try {
    recordings = run.record();
    const beside = { metrics: undefined, recordings, inspect: undefined };
    await runStdio(target, run.log, (onEvent) => start(bare, beside, control, onEvent), control.idle);
  } finally {
    control.close();
    await recordings?.close();
  }
}

/** Runs the forwards of the config until a signal stops it. */
export async function runForwards(run: ClientRun): Promise<void> {
  const { config, log } = run;
  const stop = untilStopSignal(['SIGINT', 'SIGTERM', 'SIGHUP']);
  let signal: StopSignal | undefined;
  for (let attempts = 0; signal === undefined; ) {
    const claim = await claimClient(factsOf(run), log);
    if (claim.kind === 'claimed') {
      signal = await runClaimed(run, claim.control, stop);
      break;
    }
    const outcome = await joinClient(claim.socket, config.forwards, log, stop);
    if (outcome.kind === 'stopped') signal = outcome.signal;
    else if (outcome.kind === 'left') attempts = 0;
    else if (++attempts === MAX_JOIN_ATTEMPTS) throw outcome.error;
    else await sleep(JOIN_INTERVAL_MS);
  }
  log.info({ event: 'stopped', signal }, 'stopped');
}

async function runClaimed(
  run: ClientRun,
  control: ClientControl,
  stop: Promise<StopSignal>,
): Promise<StopSignal> {
  const { config, log } = run;
  const beside = await openBeside(run, control);
  const { metrics, recordings, inspect } = beside;
  const progress = terminalProgress();
  const client = await start(run, beside, control, (event) => {
    logClientEvent(log, event);
    metrics?.counts.onEvent(event);
    if (event.type === 'waiting') progress.begin('no answer from the relay', event.silentMs);
    else if (END_OF_WAIT.has(event.type)) progress.end();
  });
  await metrics?.serve(() => clientReport(factsOf(run), client.status()));
  for (const forward of client.forwards) logForward(log, forward);
  const relay = formatTarget(config.relay);
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
  progress.begin('waiting for the relay');
  // The ports are open. Contact with the relay may take as long as the network is away.
  const manager = serviceManager(log);
  manager.ready(`forwarding through ${relay}`);
  const follower = run.loaded && new ClientConfigFollower(run.loaded, client, log);
  const signal = await stop;
  progress.end();
  manager.stopping();
  follower?.close();
  metrics?.close();
  inspect?.close();
  logClientSummary(log, client.status());
  await client.close();
  await recordings.close();
  // Last, because a process that had joined takes this one's place now, and needs its ports.
  control.close();
  return signal;
}

/** What runs beside a client, if it was asked for. */
interface Beside {
  readonly metrics: MetricsServer | undefined;
  readonly inspect: InspectServer | undefined;
  readonly recordings: Recordings;
}

/** Closes the control socket if a port or a file cannot be opened. */
async function openBeside(
  { config, log, record, inspect: port }: ClientRun,
  control: ClientControl,
): Promise<Beside> {
  try {
    const metrics = config.metrics && (await MetricsServer.open(config.metrics, log));
    const inspect = await openInspector(port, log);
    return { metrics, inspect, recordings: record() };
  } catch (error) {
    control.close();
    throw error;
  }
}

function factsOf({ config, name }: ClientRun): ClientFacts {
  const { relay, publicKey, relayPublicKey } = config;
  return { name, endpoint: formatTarget(relay), publicKey, relayPublicKey };
}

/** The part of a client's options that its config decides. */
export function optionsOf(config: ClientConfig): Omit<ClientOptions, 'log'> {
  return {
    relay: config.relay,
    relayPublicKey: config.relayPublicKey,
    privateKey: config.privateKey,
    forwards: config.forwards,
    persistentKeepaliveMs: config.persistentKeepaliveSeconds * 1000,
    contactLimitMs: config.connectTimeoutSeconds * 1000,
    ...(config.presharedKey === undefined ? {} : { presharedKey: config.presharedKey }),
    ...(config.congestion && { congestion: config.congestion }),
    ...(config.memoryPerPeerBytes && { memoryPerPeerBytes: config.memoryPerPeerBytes }),
  };
}

/** Starts the client and answers at its control socket. Closes the socket if the client cannot start. */
async function start(
  { config, name, log, suite, socket }: ClientRun,
  { recordings, inspect }: Beside,
  control: ClientControl,
  onEvent: (event: ClientEvent) => void,
): Promise<Client> {
  try {
    const client = await startClient({
      ...optionsOf(config),
      // At a terminal the user can correct a misspelt name at once. A service waits for its network.
      refuseUnknownName: isatty(2),
      log,
      suite,
      socket,
      onEvent: (event) => {
        onEvent(event);
        control.onEvent(event);
      },
      onFatal: endWithInternalError,
      ...(recordings.keyLog && { keyLog: recordings.keyLog }),
      tap: joinTaps(recordings.tap, inspect?.sampler),
      watch: inspect?.sampler,
    });
    prepareForTraffic();
    // The endpoint has its own copies.
    config.privateKey.fill(0);
    config.presharedKey?.fill(0);
    recordings.begin(() => [client.status().relay]);
    inspect?.serve(inspectedClient(name, client));
    control.serve(client);
    return client;
  } catch (error) {
    control.close();
    throw error;
  }
}
