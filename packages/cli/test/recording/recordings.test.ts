/** Follows what a tunnel reports to the files that its options name. The clock is the test's. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { base64 } from '@underpass/protocol';
import { type DatagramTap, monotonicMs, silentLog, unixTimeMs } from '@underpass/runtime';
import { type CapturedHandshake, capturedHandshakes } from '@underpass/testkit/crypto';
import type { PeerMetrics } from '@underpass/trace';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ExitCode } from '../../src/exit-code.js';
import { openCapture } from '../../src/recording/capture-file.js';
import { openQlog } from '../../src/recording/qlog-file.js';
import { joinTaps, openRecordings, type RecordingFlags } from '../../src/recording/recordings.js';
import { temporaryDirectory } from '../temporary-directory.js';

vi.mock('@underpass/runtime', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  monotonicMs: vi.fn(() => 0),
  unixTimeMs: vi.fn(() => 0),
}));

const HERE = { address: '::', port: 4000 };
const RELAY = { address: '192.0.2.1', port: 51820 };
const START_UNIX_MS = 1_700_000_000_000;
const handshake = capturedHandshakes[0] as CapturedHandshake;
const SECRETS = {
  LOCAL_STATIC_PRIVATE_KEY: handshake.initiator_static_private,
  REMOTE_STATIC_PUBLIC_KEY: handshake.responder_static_public,
  LOCAL_EPHEMERAL_PRIVATE_KEY: handshake.initiator_ephemeral_private,
};
const LINES = Object.entries(SECRETS).map(([name, key]) => `${name} = ${base64(Buffer.from(key, 'hex'))}`);
const INITIATION = Buffer.from(handshake.message1, 'hex');
const RESPONSE = Buffer.from(handshake.message2, 'hex');

let now = 0;
beforeEach(() => {
  now = 5_000;
  vi.mocked(monotonicMs).mockImplementation(() => now);
  vi.mocked(unixTimeMs).mockImplementation(() => START_UNIX_MS);
});

interface QlogRecord {
  readonly time: number;
  readonly name: string;
  readonly group_id: string;
  readonly trace?: { readonly vantage_point: object; readonly common_fields: object };
}

const recordsIn = (file: string): QlogRecord[] =>
  readFileSync(file, 'utf8')
    .split('\u001e')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as QlogRecord);
const eventsIn = (file: string) =>
  recordsIn(file)
    .slice(1)
    .map(({ time, name }) => `${time} ${name}`);
/** The times of the packets of a capture, in microseconds. */
function packetTimes(bytes: Buffer): number[] {
  const times: number[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4)) {
    if (bytes.readUInt32LE(at) !== 6) continue; // an enhanced packet block
    times.push(bytes.readUInt32LE(at + 12) * 2 ** 32 + bytes.readUInt32LE(at + 16));
  }
  return times;
}

/** One handshake of which the tap and the key log learn. */
function shakeHands(tap: DatagramTap | undefined, keyLog: ((line: string) => void) | undefined): void {
  for (const line of LINES) keyLog?.(line);
  tap?.onSent(INITIATION, HERE, RELAY);
  now += 20;
  tap?.onReceived(RESPONSE, RELAY, HERE);
}

const metrics = (bytesInFlight: number): PeerMetrics => ({
  address: RELAY,
  smoothedRttMs: 40,
  congestionWindowBytes: 11_520,
  bytesInFlight,
  packetsLost: 0,
});

describe('recordings', () => {
  const OPTIONS = ['keyLog', 'capture', 'qlog'] as const;
  const choices = Array.from({ length: 8 }, (_, bits) => OPTIONS.filter((_option, bit) => bits & (1 << bit)));

  it.each(choices.map((chosen) => [chosen.join(' and ') || 'none', chosen] as const))(
    'go to the files that were asked for: %s',
    async (_names, chosen) => {
      const directory = temporaryDirectory();
      const flags: RecordingFlags = Object.fromEntries(
        chosen.map((option) => [option, path.join(directory, option)]),
      );
      const recordings = openRecordings(flags, 'client', silentLog);
      expect([recordings.keyLog !== undefined, recordings.tap !== undefined]).toEqual([
        chosen.length > 0,
        chosen.some((option) => option !== 'keyLog'),
      ]);
      recordings.begin(() => [metrics(0)]);
      shakeHands(recordings.tap, recordings.keyLog);
      await recordings.close();
      if (flags.keyLog) expect(readFileSync(flags.keyLog, 'utf8')).toBe(`${LINES.join('\n')}\n`);
      if (flags.capture) {
        const bytes = readFileSync(flags.capture);
        for (const part of [INITIATION, RESPONSE, LINES[0] as string])
          expect(bytes.includes(part)).toBe(true);
      }
      if (flags.qlog) {
        const names = recordsIn(flags.qlog).map(({ name }) => name);
        expect(names.filter((name) => name !== 'recovery:metrics_updated')).toEqual([
          undefined,
          'transport:packet_sent',
          'transport:packet_received',
        ]);
        expect(names).toContain('recovery:metrics_updated');
      }
    },
  );
});

it('recordings of a start that fails leave the files as they are', async () => {
  const directory = temporaryDirectory();
  const flags = { capture: path.join(directory, 'c'), qlog: path.join(directory, 'q') };
  for (const file of Object.values(flags)) writeFileSync(file, 'of another process', { mode: 0o600 });
  const lines: string[] = [];
  const log = { ...silentLog, info: (_fields: object, text: string) => void lines.push(text) };
  const recordings = openRecordings(flags, 'client', log);
  recordings.keyLog?.(LINES[0] as string);
  await recordings.close();
  expect(lines).toEqual([]);
  for (const file of Object.values(flags)) expect(readFileSync(file, 'utf8')).toBe('of another process');
});

it('recordings have what was recorded before they began', async () => {
  const flags = { capture: path.join(temporaryDirectory(), 'c') };
  const recordings = openRecordings(flags, 'client', silentLog);
  shakeHands(recordings.tap, recordings.keyLog);
  recordings.begin(() => []);
  await recordings.close();
  const bytes = readFileSync(flags.capture);
  for (const part of [LINES[0] as string, INITIATION, RESPONSE]) expect(bytes.includes(part)).toBe(true);
});

describe('joined taps', () => {
  const tap = (onlyHandshakes?: boolean) => {
    const seen: unknown[] = [];
    return {
      seen,
      onReceived: (...parameters: unknown[]) => seen.push(['received', ...parameters]),
      onSent: (...parameters: unknown[]) => seen.push(['sent', ...parameters]),
      ...(onlyHandshakes === undefined ? {} : { onlyHandshakes }),
    };
  };

  it('all see the same', () => {
    const taps = [tap(), tap()];
    const joined = joinTaps(undefined, ...taps);
    joined?.onSent(INITIATION, HERE, RELAY);
    joined?.onReceived(RESPONSE, RELAY, HERE);
    for (const { seen } of taps) {
      expect(seen).toEqual([
        ['sent', INITIATION, HERE, RELAY],
        ['received', RESPONSE, RELAY, HERE],
      ]);
    }
    expect(joinTaps(undefined, taps[0], undefined)).toBe(taps[0]);
    expect(joinTaps(undefined, undefined)).toBeUndefined();
  });

  it.each<[boolean | undefined, boolean | undefined, boolean]>([
    [true, true, true],
    [true, undefined, false],
    [false, true, false],
    [undefined, undefined, false],
  ])('need only handshakes if all of them do: %s and %s', (first, second, expected) => {
    expect(joinTaps(tap(first), tap(second))?.onlyHandshakes).toBe(expected);
  });
});

describe('a qlog', () => {
  it.each([
    ['client', 'client'],
    ['relay', 'server'],
  ] as const)('of a %s counts its times from its start', async (place, type) => {
    const file = path.join(temporaryDirectory(), 'q.sqlog');
    writeFileSync(file, 'x'.repeat(100_000), { mode: 0o600 });
    vi.mocked(unixTimeMs).mockImplementation(() => START_UNIX_MS + 0.75);
    const qlog = openQlog(file, place, silentLog);
    qlog.begin();
    now += 250;
    vi.mocked(unixTimeMs).mockImplementation(() => 0); // somebody sets the clock
    shakeHands(qlog.tap, qlog.keyLog);
    await qlog.close();
    expect(recordsIn(file)[0]?.trace).toMatchObject({
      vantage_point: { type },
      common_fields: { reference_time: START_UNIX_MS },
    });
    expect(eventsIn(file)).toEqual(['250.75 transport:packet_sent', '270.75 transport:packet_received']);
    expect(recordsIn(file)[1]?.group_id).toBe('192.0.2.1 51820');
    expect(recordsIn(file)[2]?.group_id).toBe('192.0.2.1 51820');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('looks at the peers before what is sent and after what arrives, at most every 5 ms', async () => {
    const file = path.join(temporaryDirectory(), 'q.sqlog');
    const qlog = openQlog(file, 'client', silentLog);
    qlog.begin();
    let looks = 0;
    qlog.watch(() => [metrics(looks++)]);
    for (const line of LINES) qlog.keyLog(line);
    qlog.tap.onSent(INITIATION, HERE, RELAY); // at 0
    now += 4.9;
    qlog.tap.onReceived(RESPONSE, RELAY, HERE);
    now += 0.1;
    qlog.tap.onReceived(Buffer.from('noise'), RELAY, HERE); // at 5
    now += 4.9;
    qlog.tap.onSent(Buffer.from('noise'), HERE, RELAY);
    now += 0.1;
    qlog.tap.onSent(Buffer.from('noise'), HERE, RELAY); // at 10
    await qlog.close();
    expect(eventsIn(file)).toEqual([
      '0 recovery:metrics_updated',
      '0 transport:packet_sent',
      '4.9 transport:packet_received',
      '5 recovery:metrics_updated',
      '10 recovery:metrics_updated',
    ]);
  });

  it('looks after what arrives, so that a loss is logged behind the packet that showed it', async () => {
    const file = path.join(temporaryDirectory(), 'q.sqlog');
    const qlog = openQlog(file, 'client', silentLog);
    qlog.begin();
    for (const line of LINES) qlog.keyLog(line);
    qlog.tap.onSent(INITIATION, HERE, RELAY);
    qlog.watch(() => [metrics(0)]);
    now += 10;
    qlog.tap.onReceived(RESPONSE, RELAY, HERE);
    await qlog.close();
    expect(eventsIn(file).slice(1)).toEqual(['10 transport:packet_received', '10 recovery:metrics_updated']);
  });
});

describe('a capture', () => {
  it('has times that do not jump when the clock is set', async () => {
    const file = path.join(temporaryDirectory(), 'c.pcapng');
    const capture = openCapture(file, 'client', silentLog);
    capture.begin();
    now += 250;
    vi.mocked(unixTimeMs).mockImplementation(() => 0);
    shakeHands(capture.tap, capture.keyLog);
    await capture.close();
    expect(packetTimes(readFileSync(file))).toEqual([250, 270].map((ms) => (START_UNIX_MS + ms) * 1000));
  });
});

it.each([
  ['capture', (file: string) => openCapture(file, 'client', silentLog)],
  ['qlog', (file: string) => openQlog(file, 'client', silentLog)],
] as const)('a %s is refused where there is something else than a file', (what, open) => {
  const pipe = path.join(temporaryDirectory(), 'pipe');
  execFileSync('mkfifo', ['-m', '600', pipe]);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(reader));
  for (const [place, message] of [
    [pipe, `the ${what} ${pipe} is not a regular file`],
    [path.dirname(pipe), expect.stringContaining('it is a directory')],
  ] as const) {
    expect(() => open(place)).toThrow(
      expect.objectContaining({ exitCode: ExitCode.config, message, hint: 'choose another file' }),
    );
  }
});
