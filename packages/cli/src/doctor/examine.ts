/** The examination: what `underpass doctor` checks, in order, and what each answer means. */
import { formatTarget, type ProbeOutcome, type Target } from '@underpass/forward';
import { formatDuration } from '../commands/traffic-totals.js';
import type { ClientConfig } from '../config/client-config.js';
import type { TargetOutcome } from '../control/check-path.js';
import { formatRate } from '../control/status-text.js';
import { type ContactTools, checkAnswer, checkClock, checkName, checkSending } from './contact.js';
import type { FindingId } from './findings.js';
import { type Measurement, measure } from './measure.js';
import type { Patient } from './patient.js';
import { found, passed, type StepResult } from './step.js';

/** How far the clocks may differ without a warning. */
const CLOCK_DIFFERENCE_MS = 120_000;
/** The share of lost packets that is worth a warning. */
const LOSSY_PERCENT = 2;
/** The headers of IP and UDP. */
const HEADER_BYTES = { 4: 28, 6: 48 } as const;

export interface Examination {
  readonly config: Pick<ClientConfig, 'relay' | 'publicKey'>;
  /** The config and the key, and when they were written. */
  readonly files: readonly { readonly file: string; readonly atMs: number }[];
  readonly targets: readonly Target[];
  readonly waitMs: number;
  readonly openPatient: () => Promise<Patient>;
  readonly tools: ContactTools;
  /** Called when a step begins, and now and then while it lasts. */
  readonly onProgress: (text: string) => void;
}

/** Yields a result for each step, and stops at the first that failed. */
export async function* examine(examination: Examination): AsyncGenerator<StepResult> {
  const { config, files, tools, waitMs, onProgress } = examination;
  yield checkClock(files, tools);
  onProgress(`looking up ${config.relay.host}`);
  const { result: name, addresses } = await checkName(config.relay, tools);
  yield name;
  if (name.status === 'failed') return;
  onProgress('sending a datagram');
  const { result: sending, hint } = await checkSending(addresses, tools);
  yield sending;
  if (sending.status === 'failed') return;
  const patient = await examination.openPatient();
  try {
    const onWait = (waitedMs: number): void => {
      onProgress(`waiting for the relay (${formatDuration(waitedMs)} of ${formatDuration(waitMs)})`);
    };
    const answer = await checkAnswer(patient, waitMs, config.publicKey, hint, tools, onWait);
    yield answer;
    if (answer.status !== 'failed') yield* examineInside(examination, patient);
  } finally {
    await patient.close();
  }
}

/** What can be asked once the relay answers. */
async function* examineInside(
  { targets, tools, onProgress }: Examination,
  patient: Patient,
): AsyncGenerator<StepResult> {
  onProgress('asking the relay what it knows');
  const before = await patient.probe({ uploadBytes: 0, downloadBytes: 0 });
  yield judgeProbe(before, tools.unixTimeMs());
  let haveFailed = false;
  for (const target of targets) {
    onProgress(`connecting to ${formatTarget(target)}`);
    const result = judgeTarget(target, await patient.check(target));
    haveFailed ||= result.status === 'failed';
    yield result;
  }
  if (haveFailed || !before.ok) return;
  yield* examinePath(patient, onProgress);
}

async function* examinePath(
  patient: Patient,
  onProgress: (text: string) => void,
): AsyncGenerator<StepResult> {
  const start = await snapshot(patient);
  onProgress('sending to the relay');
  const up = await measure(patient, 'up');
  onProgress('receiving from the relay');
  const down = await measure(patient, 'down');
  const end = await snapshot(patient);
  yield judgeThroughput(up, down);
  if (typeof up === 'string' || typeof down === 'string' || start === undefined || end === undefined) return;
  const { relay, socket } = end.report;
  const rttMs = relay.smoothedRttMs ?? relay.handshakeRttMs ?? 0;
  yield passed('round trip', `${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`);
  yield judgeLoss(lossBetween(start.own, end.own), lossBetween(start.relays, end.relays));
  const headerBytes = HEADER_BYTES[relay.address?.startsWith('[') === true ? 6 : 4];
  yield judgePath(relay.datagramBytes + headerBytes, socket === 'native', patient.fragments);
}

interface Counts {
  readonly sent: number;
  readonly lost: number;
}

/** What both sides have sent and lost so far. */
async function snapshot(patient: Patient) {
  const outcome = await patient.probe({ uploadBytes: 0, downloadBytes: 0 });
  if (!outcome.ok) return undefined;
  const report = await patient.status();
  const { packetsSent, packetsLost } = report.relay;
  return {
    report,
    own: { sent: packetsSent, lost: packetsLost },
    relays: { sent: outcome.report.packetsSent, lost: outcome.report.packetsLost },
  };
}

function lossBetween(before: Counts, after: Counts): number {
  const sent = after.sent - before.sent;
  return sent <= 0 ? 0 : Math.min(100, (100 * (after.lost - before.lost)) / sent);
}

/** @param nowMs  this machine's clock when the answer came */
export function judgeProbe(outcome: ProbeOutcome, nowMs: number): StepResult {
  if (!outcome.ok) {
    if (outcome.reason === 'malformed-request') return found('relay', 'relay-too-old', '', 'warning');
    return found('relay', outcome.reason === 'too-many-streams' ? 'relay-busy' : 'connection-lost');
  }
  const { clockMs, name, address } = outcome.report;
  const differenceMs = nowMs - clockMs;
  if (Math.abs(differenceMs) > CLOCK_DIFFERENCE_MS) {
    const which = differenceMs > 0 ? 'behind' : 'ahead of';
    const details = `the relay's is ${formatDuration(Math.abs(differenceMs))} ${which} this machine's`;
    return found('relay', 'clocks-differ', details, 'warning');
  }
  return passed('relay', `the relay calls this client ${name} and sees it at ${address}; the clocks agree`);
}

const TARGET_FINDINGS: Readonly<Record<Exclude<TargetOutcome, 'opened'>, FindingId>> = {
  'not-allowed': 'target-not-allowed',
  'name-not-found': 'target-name-not-found',
  'connection-refused': 'target-refused',
  unreachable: 'target-unreachable',
  'timed-out': 'target-silent',
  'too-many-streams': 'relay-busy',
  'malformed-request': 'target-failed',
  'internal-error': 'target-failed',
  'address-in-use': 'target-failed',
  'invite-used': 'target-failed',
  'invite-expired': 'target-failed',
  'relay-not-reached': 'connection-lost',
  'connection-lost': 'connection-lost',
  reset: 'target-failed',
  'not-read': 'target-failed',
};

export function judgeTarget(target: Target, outcome: TargetOutcome): StepResult {
  const where = formatTarget(target);
  if (outcome === 'opened') {
    return 'protocol' in target && target.protocol === 'udp'
      ? passed('target', `${where} is allowed; whether it answers is unknown, because UDP has no connections`)
      : passed('target', `${where} is allowed and answers`);
  }
  return found('target', TARGET_FINDINGS[outcome], where);
}

function judgeThroughput(up: Measurement | string, down: Measurement | string): StepResult {
  if (typeof up === 'string' || typeof down === 'string') return found('throughput', 'connection-lost');
  const text = `${formatRate(up.bytesPerSecond)} to the relay, ${formatRate(down.bytesPerSecond)} from it`;
  return passed('throughput', text);
}

/** @param upPercent  of the packets to the relay */
export function judgeLoss(upPercent: number, downPercent: number): StepResult {
  const text = `${upPercent.toFixed(1)} % to the relay, ${downPercent.toFixed(1)} % from it`;
  if (Math.max(upPercent, downPercent) < LOSSY_PERCENT) return passed('loss', text);
  return found('loss', 'path-lossy', text, 'warning');
}

/** @param packetBytes  of the largest IP packet that is sent */
export function judgePath(packetBytes: number, isSearched: boolean, fragments: boolean): StepResult {
  if (fragments) {
    return found('path MTU', 'path-fragments', `packets of ${packetBytes} bytes arrive in pieces`, 'warning');
  }
  const how = isSearched ? '' : '; larger ones are not tried without koffi';
  return passed('path MTU', `packets of ${packetBytes} bytes pass whole${how}`);
}
