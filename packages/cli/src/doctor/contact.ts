/** The first steps of the doctor: everything up to an answer of the relay. */
import { isIP } from 'node:net';
import { formatTarget } from '@underpass/forward';
import type { Address } from '@underpass/protocol';
import { shortKey, systemCode } from '@underpass/runtime';
import { systemErrorText } from '../commands/contact-text.js';
import { formatDuration } from '../commands/traffic-totals.js';
import type { Patient } from './patient.js';
import { found, passed, type StepResult } from './step.js';

/** How much later than now a file may seem to have been written: other machines' clocks differ a little. */
const CLOCK_TOLERANCE_MS = 120_000;
/** How often to look whether the relay has answered. */
const POLL_MS = 100;

/** Errors of this system's own, as opposed to what an ICMP message says. */
const OWN_ERRORS: ReadonlySet<string> = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOBUFS',
  'EPERM',
]);

/** What the examination needs of the world. */
export interface ContactTools {
  readonly now: () => number;
  readonly unixTimeMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Rejects with the system's error. */
  readonly lookUp: (name: string) => Promise<readonly string[]>;
  /** @returns the name of the system's error for that port, or undefined */
  readonly probePort: (address: Address) => Promise<string | undefined>;
}

/** A file that was written in the future says that the clock is behind.
 *  @param written  when each file was written, in Unix milliseconds */
export function checkClock(
  written: readonly { readonly file: string; readonly atMs: number }[],
  { unixTimeMs }: Pick<ContactTools, 'unixTimeMs'>,
): StepResult {
  const nowMs = unixTimeMs();
  const now = utc(nowMs);
  const later = written.find(({ atMs }) => atMs > nowMs + CLOCK_TOLERANCE_MS);
  if (later === undefined) return passed('clock', `this machine's clock says ${now}`);
  const details = `it says ${now}, but ${later.file} was written at ${utc(later.atMs)}`;
  return found('clock', 'clock-behind', details, 'warning');
}

export async function checkName(
  { host, port }: { readonly host: string; readonly port: number },
  { lookUp }: Pick<ContactTools, 'lookUp'>,
): Promise<{ readonly result: StepResult; readonly addresses: readonly Address[] }> {
  if (isIP(host) !== 0) {
    return { result: passed('name', `${host} is an address`), addresses: [{ address: host, port }] };
  }
  try {
    const found = await lookUp(host);
    const addresses = found.map((address) => ({ address, port }));
    return { result: passed('name', `${host} is ${found.join(', ')}`), addresses };
  } catch (error) {
    const code = systemCode(error);
    const isUnknown = code === 'ENOTFOUND' || code === 'ENODATA';
    const id = isUnknown ? 'name-not-found' : 'name-lookup-failed';
    return { result: found('name', id, `${host} (${code})`), addresses: [] };
  }
}

/** Whether this system lets a datagram leave for one of the addresses.
 *  @returns also what the network says about the relay's port, which may be forged */
export async function checkSending(
  addresses: readonly Address[],
  { probePort }: Pick<ContactTools, 'probePort'>,
): Promise<{ readonly result: StepResult; readonly hint: string | undefined }> {
  const codes = await Promise.all(addresses.map((address) => probePort(address)));
  const working = addresses.filter((_, index) => !OWN_ERRORS.has(codes[index] ?? ''));
  const [first] = working;
  if (first === undefined) {
    const places = addresses.map(
      ({ address }, index) => `${address} (${systemErrorText(codes[index] ?? '')})`,
    );
    return { result: found('udp', 'cannot-send', places.join(', ')), hint: undefined };
  }
  const hint = codes.find((code) => code !== undefined && !OWN_ERRORS.has(code));
  const where = formatTarget({ host: first.address, port: first.port });
  return { result: passed('udp', `UDP leaves this machine for ${where}`), hint };
}

/** Waits until the relay answers.
 *  @param hint  what the network said about the port
 *  @param onWait  called now and then with how long it has waited */
export async function checkAnswer(
  patient: Patient,
  waitMs: number,
  publicKey: Uint8Array,
  hint: string | undefined,
  { now, sleep }: Pick<ContactTools, 'now' | 'sleep'>,
  onWait: (waitedMs: number) => void = () => undefined,
): Promise<StepResult> {
  const startedAt = now();
  /** Handshakes of a running client that had failed before, perhaps days ago. */
  let earlierFailures: number | undefined;
  for (;;) {
    const { relay, drops, endpoint } = await patient.status();
    const failures = drops['handshake-failed'] ?? 0;
    earlierFailures ??= patient.pid === undefined ? 0 : failures;
    const waitedMs = now() - startedAt;
    if (relay.connected && relay.waitingMs === undefined) {
      const time =
        relay.handshakeRttMs === undefined ? '' : ` (handshake ${Math.round(relay.handshakeRttMs)} ms)`;
      const by = patient.pid === undefined ? '' : `, through the running client (process ${patient.pid})`;
      return passed('answer', `the relay answers and accepts this client's key${time}${by}`);
    }
    if (patient.lastEnd !== undefined) return endedEarly(patient.lastEnd);
    if (failures > earlierFailures) {
      return found('answer', 'preshared-keys-differ', 'the relay answers, but with another key');
    }
    if (waitedMs >= waitMs) return silence(endpoint, waitedMs, publicKey, hint);
    onWait(waitedMs);
    await sleep(POLL_MS);
  }
}

function endedEarly({ cause, reason }: NonNullable<Patient['lastEnd']>): StepResult {
  if (cause === 'removed') return found('answer', 'client-removed', reason);
  if (cause === 'superseded') return found('answer', 'key-shared');
  return found('answer', 'connection-ended', reason);
}

function silence(
  endpoint: string,
  waitedMs: number,
  publicKey: Uint8Array,
  hint: string | undefined,
): StepResult {
  if (hint === 'ECONNREFUSED') return found('answer', 'port-closed', endpoint);
  if (hint !== undefined) return found('answer', 'unreachable', `${endpoint} (${systemErrorText(hint)})`);
  const details = `${endpoint} was silent for ${formatDuration(waitedMs)}; this client's public key is ${shortKey(publicKey)}`;
  return found('answer', 'no-answer', details);
}

/** `2026-11-26 10:15:00 UTC` */
function utc(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
