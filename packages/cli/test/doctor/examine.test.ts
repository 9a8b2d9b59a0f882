/** The examination as a whole: which steps follow which, where it stops, and what it does besides. */
import type { ProbeOptions, ProbeOutcome, Target } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import type { TargetOutcome } from '../../src/control/check-path.js';
import type { ClientReport } from '../../src/control/client-report.js';
import { checkAnswer, checkClock } from '../../src/doctor/contact.js';
import { examine, judgeProbe } from '../../src/doctor/examine.js';
import { measure } from '../../src/doctor/measure.js';
import type { Patient } from '../../src/doctor/patient.js';
import { aClient, aPeer } from '../control/reports.js';

const NOON = Date.UTC(2026, 10, 26, 12);
const KEY = new Uint8Array(32);
const DB: Target = { host: 'db', port: 5432 };
const failure = (reason: string) => ({ ok: false, reason }) as ProbeOutcome;

interface World {
  readonly host?: string;
  readonly lookUp?: () => Promise<readonly string[]>;
  readonly sendError?: string;
  readonly targets?: readonly Target[];
  readonly outcome?: TargetOutcome;
  /** Of one of the targets, by its host. */
  readonly outcomes?: Readonly<Record<string, TargetOutcome>>;
  /** Of the nth probe. */
  readonly probe?: (n: number, options: ProbeOptions) => ProbeOutcome;
  /** Of the nth question for the status. */
  readonly report?: (n: number) => Partial<ClientReport>;
  readonly fragments?: boolean;
}

/** A probe that takes a second. */
const answered = (packetsSent = 0, packetsLost = 0): ProbeOutcome => ({
  ok: true,
  report: { clockMs: NOON, packetsSent, packetsLost, address: '203.0.113.7:5', name: 'laptop' },
  answerMs: 1,
  transferMs: 1000,
});

async function run(world: World = {}) {
  const {
    host = '192.0.2.1',
    targets = [],
    outcome = 'opened',
    probe = () => answered(),
    fragments = false,
  } = world;
  const done: string[] = [];
  let probes = 0;
  let reports = 0;
  let now = 0;
  const patient: Patient = {
    pid: undefined,
    status: async () => {
      const { relay, ...more } = world.report?.(reports++) ?? {};
      return aClient({ ...more, relay: aPeer({ address: '192.0.2.1:51820', ...relay }) });
    },
    lastEnd: undefined,
    fragments,
    check: async (target) => {
      const name = 'host' in target ? target.host : '';
      done.push(`check ${name}`);
      return world.outcomes?.[name] ?? outcome;
    },
    probe: async (options) => {
      done.push(`probe ${options.uploadBytes} ${options.downloadBytes}`);
      return probe(probes++, options);
    },
    close: async () => {
      await new Promise(setImmediate);
      done.push('close');
    },
  };
  const progress: string[] = [];
  const steps: string[] = [];
  const results = examine({
    config: { relay: { host, port: 51820 }, publicKey: KEY },
    files: [],
    targets,
    waitMs: 5000,
    openPatient: async () => {
      done.push('open');
      return patient;
    },
    tools: {
      now: () => now,
      unixTimeMs: () => NOON,
      sleep: async (ms) => {
        now += ms;
      },
      lookUp: world.lookUp ?? (async () => ['192.0.2.1']),
      probePort: async () => world.sendError,
    },
    onProgress: (text) => progress.push(text),
  });
  for await (const { step, status, text } of results) steps.push(`${step} ${status}: ${text}`);
  return { steps, done, progress };
}

const namesOf = (steps: readonly string[]) => steps.map((step) => step.slice(0, step.indexOf(':')));
const CONTACT = ['clock ok', 'name ok', 'udp ok', 'answer ok'];
const PATH = ['throughput ok', 'round trip ok', 'loss ok', 'path MTU ok'];

describe('an examination', () => {
  it('looks at everything in order, says what it does meanwhile, and closes its client', async () => {
    const { steps, done, progress } = await run({ host: 'vpn.example.org', targets: [DB] });
    expect(namesOf(steps)).toEqual([...CONTACT, 'relay ok', 'target ok', ...PATH]);
    expect(done).toEqual([
      'open',
      'probe 0 0',
      'check db',
      'probe 0 0',
      `probe ${64 * 1024} 0`,
      `probe 0 ${64 * 1024}`,
      'probe 0 0',
      'close',
    ]);
    expect(progress).toEqual([
      'looking up vpn.example.org',
      'sending a datagram',
      'asking the relay what it knows',
      'connecting to db:5432',
      'sending to the relay',
      'receiving from the relay',
    ]);
    expect(steps.at(-4)).toBe('throughput ok: 64.0 KiB/s to the relay, 64.0 KiB/s from it');
  });

  it.each<[string, World, readonly string[], boolean]>([
    [
      'the name is unknown',
      {
        host: 'vpn.example.org',
        lookUp: () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })),
      },
      ['clock ok', 'name failed'],
      false,
    ],
    ['nothing can be sent', { sendError: 'EPERM' }, ['clock ok', 'name ok', 'udp failed'], false],
    [
      'the relay does not answer',
      { report: () => ({ relay: { connected: false } as never }) },
      ['clock ok', 'name ok', 'udp ok', 'answer failed'],
      true,
    ],
    ['the relay is busy', { probe: () => failure('too-many-streams') }, [...CONTACT, 'relay failed'], true],
    [
      'the relay is too old for probes',
      { probe: () => failure('malformed-request'), targets: [DB] },
      [...CONTACT, 'relay warning', 'target ok'],
      true,
    ],
    [
      'a target fails, after the other targets',
      { targets: [DB, { host: 'web', port: 80 }], outcomes: { db: 'timed-out' } },
      [...CONTACT, 'relay ok', 'target failed', 'target ok'],
      true,
    ],
    [
      'the path dies while it is measured',
      { probe: (n) => (n < 2 ? answered() : failure('connection-lost')) },
      [...CONTACT, 'relay ok', 'throughput failed'],
      true,
    ],
    ...([2, 3] as const).map((which): [string, World, readonly string[], boolean] => [
      `the path dies for the probe ${which}`,
      { probe: (n) => (n === which ? failure('connection-lost') : answered()) },
      [...CONTACT, 'relay ok', 'throughput failed'],
      true,
    ]),
    [
      'the path dies after that',
      { probe: (n) => (n < 4 ? answered() : failure('connection-lost')) },
      [...CONTACT, 'relay ok', 'throughput ok'],
      true,
    ],
  ])('ends where %s, and closes what it has opened', async (_where, world, names, isOpened) => {
    const { steps, done } = await run(world);
    expect(namesOf(steps)).toEqual(names);
    expect([done.includes('open'), done.at(-1) === 'close']).toEqual([isOpened, isOpened]);
  });

  it('closes its client also if nobody wants the rest', async () => {
    const { progress } = await run({ report: () => ({ relay: { connected: false } as never }) });
    expect(progress).toContain('waiting for the relay (1.0 s of 5.0 s)');
  });
});

describe('the path', () => {
  it('has a throughput in each direction', async () => {
    const probe = (_n: number, { uploadBytes }: ProbeOptions): ProbeOutcome =>
      ({ ...answered(), transferMs: uploadBytes > 0 ? 1000 : 2000 }) as ProbeOutcome;
    expect(await last({ probe }, 'throughput')).toBe(
      'throughput ok: 64.0 KiB/s to the relay, 32.0 KiB/s from it',
    );
  });

  const last = async (world: World, step: string) =>
    (await run(world)).steps.find((text) => text.startsWith(step));

  it.each([
    [{ smoothedRttMs: 9.94 }, 'round trip ok: 9.9 ms'],
    [{ smoothedRttMs: 10 }, 'round trip ok: 10 ms'],
    [{ smoothedRttMs: 12.6 }, 'round trip ok: 13 ms'],
    [{ smoothedRttMs: undefined, handshakeRttMs: 20 }, 'round trip ok: 20 ms'],
  ])('has the round trip that is known: %j', async (relay, text) => {
    expect(await last({ report: () => ({ relay: relay as never }) }, 'round trip')).toBe(text);
  });

  it('loses what both sides lost while it was measured', async () => {
    const own = (n: number) => {
      // The first answers the question whether the relay is there.
      const [packetsSent, packetsLost] = n < 2 ? [1000, 50] : [1200, 53];
      return { relay: { packetsSent, packetsLost } as never };
    };
    const relays = (n: number) => (n < 2 ? answered(500, 20) : answered(600, 21));
    expect(await last({ report: own, probe: relays }, 'loss')).toBe(
      'loss ok: 1.5 % to the relay, 1.0 % from it',
    );
    const worse = (n: number) => (n < 2 ? answered(500, 20) : answered(510, 40));
    expect(await last({ report: own, probe: worse }, 'loss')).toContain('100.0 % from it');
  });

  it('loses nothing while nothing was sent', async () => {
    expect(await last({}, 'loss')).toBe('loss ok: 0.0 % to the relay, 0.0 % from it');
  });

  it.each([
    [{ address: '192.0.2.1:51820', datagramBytes: 1472 }, 'packets of 1500 bytes pass whole'],
    [{ address: '[2001:db8::1]:51820', datagramBytes: 1452 }, 'packets of 1500 bytes pass whole'],
  ])('has the size of its packets with all headers: %j', async (relay, text) => {
    expect(await last({ report: () => ({ relay: relay as never }) }, 'path MTU')).toBe(
      `path MTU ok: ${text}`,
    );
    const plain = await last({ report: () => ({ socket: 'plain', relay: relay as never }) }, 'path MTU');
    expect(plain).toContain('larger ones are not tried without koffi');
    expect(await last({ fragments: true }, 'path MTU')).toContain('path MTU warning');
  });

  it('is not measured further once a transfer takes 0.7 s, and not for ever', async () => {
    const sizes: number[] = [];
    const measured = (transferMs: number) => {
      sizes.length = 0;
      return measure(
        {
          probe: async ({ downloadBytes }) => {
            sizes.push(downloadBytes / 1024);
            return { ...answered(), transferMs } as ProbeOutcome;
          },
        },
        'down',
      );
    };
    await measured(700);
    expect(sizes).toEqual([64]);
    await measured(699.9);
    expect(sizes).toEqual([64, 512, 4096, 32_768]);
    expect(await measured(0)).toEqual({ bytesPerSecond: 32_768 * 1024 * 1000 });
  });
});

describe('the clocks', () => {
  it('may differ by two minutes', () => {
    const written = (atMs: number) =>
      checkClock(
        [
          { file: 'a', atMs: 0 },
          { file: 'b', atMs },
        ],
        { unixTimeMs: () => NOON },
      );
    expect(written(NOON + 120_000).status).toBe('ok');
    expect(written(NOON + 120_001)).toMatchObject({ status: 'warning', finding: 'clock-behind' });
    const differing = (byMs: number) => judgeProbe(answered(), NOON + byMs).status;
    expect([-120_001, -120_000, 120_000, 120_001].map(differing)).toEqual(['warning', 'ok', 'ok', 'warning']);
  });

  it('that agree are said to, with the name and address that the relay knows', () => {
    expect(judgeProbe(answered(), NOON).text).toBe(
      'the relay calls this client laptop and sees it at 203.0.113.7:5; the clocks agree',
    );
  });
});

describe('the answer of the relay', () => {
  const answerOf = (report: Partial<ClientReport>, more: Partial<Patient> = {}) => {
    let now = 0;
    const tools = {
      now: () => now,
      sleep: async (ms: number) => {
        now += ms;
      },
    };
    const patient = { status: async () => aClient(report), lastEnd: undefined, pid: undefined, ...more };
    return checkAnswer(patient as unknown as Patient, 1000, KEY, undefined, tools);
  };

  it('has its time, and the process through which it came', async () => {
    const accepted = "the relay answers and accepts this client's key";
    const relay = aPeer({ handshakeRttMs: 19.6 });
    expect((await answerOf({ relay })).text).toBe(`${accepted} (handshake 20 ms)`);
    const without = aPeer({ handshakeRttMs: undefined });
    const through = `${accepted}, through the running client (process 5)`;
    expect((await answerOf({ relay: without }, { pid: 5 })).text).toBe(through);
  });

  it('is not one that is overdue', async () => {
    const relay = aPeer({ connected: true, waitingMs: 0 });
    expect(await answerOf({ relay })).toMatchObject({ status: 'failed', finding: 'no-answer' });
  });
});
