/** The demo: an HTTP service, a relay and a client as separate processes, and one download through the tunnel. */
import { fileURLToPath } from 'node:url';
import { shortKey } from '@underpass/runtime';
import { CliError } from '../cli-error.js';
import { formatMilliseconds } from '../commands/client-log.js';
import { formatBytes, type TrafficTotals } from '../commands/traffic-totals.js';
import { ExitCode } from '../exit-code.js';
import { DemoFiles } from './demo-files.js';
import { DemoReport, directionText, grouped, overheadPercent, speedText } from './demo-report.js';
import { type Download, download } from './download.js';
import { type ReportedEvent, ReportingProcess } from './reporting-process.js';

/** The path of this program. */
const PROGRAM = process.argv[1] ?? '';
/** Bundled as a separate file (scripts/bundle.mjs). */
const HTTP_SERVICE = fileURLToPath(new URL('./http-service.js', import.meta.url));

export const BODY_BYTES = 10 * 1024 * 1024;
/** The limit for each step: on a busy machine a process takes a second or two to start. */
const STEP_LIMIT_MS = 15_000;

/** The options of the command line. */
export interface DemoFlags {
  /** Where the client writes its capture ... */
  readonly capture?: string;
  /** ... and its events. */
  readonly qlog?: string;
}

/** Runs the demo. Before it returns or throws, every process is stopped and the directory removed.
 *  @param interrupted  rejects when the user stops the demo
 *  @throws CliError that says which step failed */
export async function runDemo(flags: DemoFlags, interrupted: Promise<never>): Promise<void> {
  const report = new DemoReport();
  report.title('Underpass demo: one download through the tunnel, everything on this machine');
  const files = new DemoFiles();
  const processes: ReportingProcess[] = [];
  let isStopping = false;
  const start = (name: string, ...nodeArguments: string[]): ReportingProcess => {
    if (isStopping) throw new CliError(ExitCode.failure, 'the demo is being stopped');
    const started = new ReportingProcess(name, nodeArguments);
    processes.unshift(started); // they are stopped in reverse order
    return started;
  };
  try {
    await Promise.race([demonstrate(files, start, report, flags), interrupted]);
  } finally {
    isStopping = true;
    await Promise.all(processes.map((started) => started.stop()));
    files.remove();
  }
  report.success(
    `Every byte arrived as it was sent. All processes are stopped, all files removed${flags.capture === undefined && flags.qlog === undefined ? '' : ' except the recordings'}.`,
  );
}

type Start = (name: string, ...nodeArguments: string[]) => ReportingProcess;

async function demonstrate(
  files: DemoFiles,
  start: Start,
  report: DemoReport,
  { capture, qlog }: DemoFlags,
): Promise<void> {
  const service = start('the HTTP service', HTTP_SERVICE, String(BODY_BYTES));
  const servicePort = numberIn(await service.event('listening', STEP_LIMIT_MS), 'port');
  const target = `127.0.0.1:${servicePort}`;
  report.step('HTTP service', `http://${target}/ has ${formatBytes(BODY_BYTES)} of pseudo-random bytes`);

  const relay = start('the relay', PROGRAM, 'relay', '--config', files.writeRelayConfig(servicePort));
  const relayPort = numberIn(await relay.event('listening', STEP_LIMIT_MS), 'port');
  report.step('relay', `UDP 127.0.0.1:${relayPort}, public key ${shortKey(files.relayPublicKey)}`);
  report.detail('', `lets the client below reach ${target}, and nothing else`);

  const clientConfig = files.writeClientConfig(relayPort, servicePort);
  const recording = [
    ...(capture === undefined ? [] : ['--capture', capture]),
    ...(qlog === undefined ? [] : ['--qlog', qlog]),
  ];
  const client = start(
    'the client',
    ...[PROGRAM, 'client', '--config', clientConfig, '--log-level', 'debug'],
    ...recording,
  );
  const localPort = firstPort(await client.event('listening', STEP_LIMIT_MS));
  const local = `127.0.0.1:${localPort}`;
  report.step('client', `TCP ${local}, public key ${shortKey(files.clientPublicKey)}`);

  const handshakeMs = numberIn(await client.event('connected', STEP_LIMIT_MS), 'handshakeRttMs');
  report.step(
    'handshake',
    `done, round trip ${formatMilliseconds(handshakeMs)}: both sides proved that they hold their keys`,
  );

  report.step('download', `http://${local}/ from here: client, relay, HTTP service, and back`);
  const received = await download(`http://${local}/`, STEP_LIMIT_MS);
  const opened = await client.event('stream-opened', STEP_LIMIT_MS);
  report.detail('stream', `opened to ${String(opened.target)}`);
  reportBodies(report, await service.event('served', STEP_LIMIT_MS), received);

  await client.stop();
  reportWire(report, await client.event('summary', STEP_LIMIT_MS));
  if (capture !== undefined) await reportCapture(report, client);
}

/** @throws CliError when the received bytes differ from the sent bytes */
function reportBodies(report: DemoReport, served: ReportedEvent, received: Download): void {
  const servedBytes = numberIn(served, 'bytes');
  const servedSha256 = String(served.sha256);
  const isEqual = servedBytes === received.bytes && servedSha256 === received.sha256;
  report.detail('sent', `${grouped(servedBytes)} bytes, SHA-256 ${servedSha256}`);
  report.detail('received', `${grouped(received.bytes)} bytes, SHA-256 ${received.sha256}`);
  report.detail('', isEqual ? 'equal' : 'DIFFERENT');
  report.detail('took', speedText(received));
  if (!isEqual) {
    throw new CliError(
      ExitCode.failure,
      'what came out of the tunnel is not what went in',
      'this is a bug: please report it with the lines above',
    );
  }
}

function reportWire(report: DemoReport, summary: ReportedEvent): void {
  const totals = totalsIn(summary);
  const sent = directionText({ datagrams: totals.datagramsSent, bytes: totals.bytesSent });
  const received = directionText({ datagrams: totals.datagramsReceived, bytes: totals.bytesReceived });
  report.step('on the wire', `client to relay ${sent}`);
  report.detail('', `relay to client ${received}`);
  const overhead = overheadPercent(BODY_BYTES, totals).toFixed(1);
  report.detail('overhead', `${overhead} % over the body, both ways, IP and UDP headers counted`);
}

async function reportCapture(report: DemoReport, client: ReportingProcess): Promise<void> {
  const captured = await client.event('captured', STEP_LIMIT_MS);
  const file = String(captured.file);
  report.step(
    'capture',
    `${grouped(numberIn(captured, 'datagrams'))} datagrams, with what opens them, in ${file}`,
  );
  report.detail('', `look inside: tshark -r ${file}, or open it in Wireshark`);
}

function totalsIn(summary: ReportedEvent): TrafficTotals {
  return {
    handshakes: numberIn(summary, 'handshakes'),
    handshakeRttMs: undefined,
    smoothedRttMs: undefined,
    datagramsSent: numberIn(summary, 'datagramsSent'),
    datagramsReceived: numberIn(summary, 'datagramsReceived'),
    bytesSent: numberIn(summary, 'bytesSent'),
    bytesReceived: numberIn(summary, 'bytesReceived'),
    streamBytesSent: numberIn(summary, 'streamBytesSent'),
    streamBytesReceived: numberIn(summary, 'streamBytesReceived'),
    packetsLost: numberIn(summary, 'packetsLost'),
  };
}

function firstPort(listening: ReportedEvent): number {
  const addresses = listening.addresses;
  const [first]: unknown[] = Array.isArray(addresses) ? addresses : [];
  return numberIn(typeof first === 'object' && first !== null ? { ...first } : {}, 'port');
}

function numberIn(event: ReportedEvent, field: string): number {
  const value = event[field];
  if (typeof value === 'number') return value;
  throw new CliError(ExitCode.failure, `a report of '${String(event.event)}' lacks the number ${field}`);
}
