import type { ProbeOutcome } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { MAX_DOCTOR_TARGETS, targetsOf } from '../../src/commands/doctor.js';
import { checkAnswer, checkClock, checkName, checkSending } from '../../src/doctor/contact.js';
import { judgeLoss, judgePath, judgeProbe, judgeTarget } from '../../src/doctor/examine.js';
import { FINDINGS } from '../../src/doctor/findings.js';
import { measure } from '../../src/doctor/measure.js';
import type { Patient } from '../../src/doctor/patient.js';
import { aClient, aPeer } from '../control/reports.js';

const NOON = Date.UTC(2026, 10, 26, 12);
const failingWith = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));

describe('the clock', () => {
  it('is fine if all files are older, or a little newer', () => {
    const files = [{ file: 'client.toml', atMs: NOON + 60_000 }];
    expect(checkClock(files, { unixTimeMs: () => NOON })).toEqual({
      step: 'clock',
      status: 'ok',
      text: "this machine's clock says 2026-11-26 12:00:00 UTC",
    });
  });

  it('is behind if a file was written in the future', () => {
    const files = [{ file: 'client.key', atMs: NOON + 86_400_000 }];
    expect(checkClock(files, { unixTimeMs: () => NOON })).toMatchObject({
      status: 'warning',
      finding: 'clock-behind',
      text: "This machine's clock is behind: it says 2026-11-26 12:00:00 UTC, but client.key was written at 2026-11-27 12:00:00 UTC",
    });
  });
});

describe("the relay's name", () => {
  const relay = { host: 'vpn.example.org', port: 51820 };

  it('is looked up', async () => {
    const lookUp = () => Promise.resolve(['192.0.2.1', '2001:db8::1']);
    expect(await checkName(relay, { lookUp })).toEqual({
      result: { step: 'name', status: 'ok', text: 'vpn.example.org is 192.0.2.1, 2001:db8::1' },
      addresses: [
        { address: '192.0.2.1', port: 51820 },
        { address: '2001:db8::1', port: 51820 },
      ],
    });
  });

  it('need not be looked up if it is an address', async () => {
    const { result, addresses } = await checkName(
      { ...relay, host: '192.0.2.1' },
      { lookUp: failingWith('no') },
    );
    expect(result).toEqual({ step: 'name', status: 'ok', text: '192.0.2.1 is an address' });
    expect(addresses).toEqual([{ address: '192.0.2.1', port: 51820 }]);
  });

  it.each([
    ['ENOTFOUND', 'name-not-found'],
    ['ENODATA', 'name-not-found'],
    ['EAI_AGAIN', 'name-lookup-failed'],
  ])('that fails with %s is %s', async (code, finding) => {
    const { result, addresses } = await checkName(relay, { lookUp: failingWith(code) });
    expect(result).toMatchObject({ status: 'failed', finding });
    expect([result.text.split(': ').at(-1), addresses]).toEqual([`vpn.example.org (${code})`, []]);
  });
});

describe('sending', () => {
  const addresses = [
    { address: '2001:db8::1', port: 51820 },
    { address: '192.0.2.1', port: 51820 },
  ];
  const probing = (codes: Readonly<Record<string, string>>) => ({
    probePort: ({ address }: { readonly address: string }) => Promise.resolve(codes[address]),
  });

  it('works if one address works, as on a machine without IPv6', async () => {
    const { result } = await checkSending(addresses, probing({ '2001:db8::1': 'ENETUNREACH' }));
    expect(result).toMatchObject({ status: 'ok', text: 'UDP leaves this machine for 192.0.2.1:51820' });
  });

  it('fails if this system refuses all of them', async () => {
    const codes = { '2001:db8::1': 'ENETUNREACH', '192.0.2.1': 'EPERM' };
    const { result } = await checkSending(addresses, probing(codes));
    expect(result).toMatchObject({ finding: 'cannot-send' });
    expect(result.text).toContain(
      '2001:db8::1 (network is unreachable), 192.0.2.1 (operation not permitted)',
    );
  });

  it.each(['EACCES', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETDOWN', 'ENETUNREACH', 'ENOBUFS', 'EPERM'])(
    'fails with %s, which only this system reports',
    async (code) => {
      const { result, hint } = await checkSending(addresses, { probePort: () => Promise.resolve(code) });
      expect([result.status, result.finding, hint]).toEqual(['failed', 'cannot-send', undefined]);
    },
  );

  it('never fails because of what the network says, which may be forged (spec outage 9)', async () => {
    const { result, hint } = await checkSending(addresses, probing({ '192.0.2.1': 'ECONNREFUSED' }));
    expect([result.status, hint]).toEqual(['ok', 'ECONNREFUSED']);
    // An error about another address says nothing about this one.
    const codes = { '2001:db8::1': 'ENETUNREACH', '192.0.2.1': 'EHOSTUNREACH' };
    expect((await checkSending(addresses, probing(codes))).hint).toBe('EHOSTUNREACH');
    expect((await checkSending(addresses, probing({ '2001:db8::1': 'ENETUNREACH' }))).hint).toBeUndefined();
  });
});

/** A patient whose relay is in that state. */
function aPatient(
  changes: Partial<Patient> & { readonly connected?: boolean; readonly drops?: object } = {},
) {
  const { connected = false, drops = {}, ...rest } = changes;
  const report = aClient({ relay: aPeer({ connected }), drops: { ...drops } });
  return {
    pid: undefined,
    status: () => Promise.resolve(report),
    lastEnd: undefined,
    fragments: false,
    check: () => Promise.resolve('opened'),
    probe: () => Promise.reject(new Error('not asked')),
    close: () => Promise.resolve(),
    ...rest,
  } satisfies Patient;
}

async function answerOf(patient: Patient, hint?: string) {
  const startedAt = 1_000_000;
  let now = startedAt;
  const waits: number[] = [];
  const tools = {
    now: () => now,
    sleep: (ms: number) => {
      now += ms;
      return Promise.resolve();
    },
  };
  const key = new Uint8Array(32);
  const result = await checkAnswer(patient, 5000, key, hint, tools, (ms) => waits.push(ms));
  return { result, now: now - startedAt, waits };
}

describe('an answer of the relay', () => {
  it('ends the wait', async () => {
    const { result, now } = await answerOf(aPatient({ connected: true }));
    expect(result.status).toBe('ok');
    expect(now).toBe(0);
  });

  it('that does not come is waited for, with progress', async () => {
    const { result, now, waits } = await answerOf(aPatient());
    expect(result).toMatchObject({ status: 'failed', finding: 'no-answer' });
    expect(result.text).toBe(
      `${FINDINGS['no-answer'].title}: ${aClient({}).endpoint} was silent for 5.0 s; this client's public key is AAAAAAAA…`,
    );
    expect(now).toBe(5000);
    expect(waits.length).toBeGreaterThan(10);
  });

  it.each([
    ['ECONNREFUSED', 'port-closed', ''],
    ['EHOSTUNREACH', 'unreachable', ' (no route to host)'],
  ])('that does not come may be explained by %s', async (hint, finding, why) => {
    const { result } = await answerOf(aPatient(), hint);
    expect(result).toMatchObject({ status: 'failed', finding });
    expect(result.text.endsWith(`: ${aClient({}).endpoint}${why}`)).toBe(true);
  });

  it('under another preshared key is recognised at once', async () => {
    const { result, now } = await answerOf(aPatient({ drops: { 'handshake-failed': 1 } }));
    expect(result).toMatchObject({ finding: 'preshared-keys-differ' });
    expect(now).toBe(0);
  });

  it('of a running client has not failed because an earlier handshake did', async () => {
    const old = { 'handshake-failed': 1 };
    const running = { ...aPatient({ drops: old }), pid: 42 };
    expect((await answerOf(running)).result).toMatchObject({ finding: 'no-answer' });
    let asked = 0;
    const status = () => aPatient({ drops: { 'handshake-failed': ++asked < 3 ? 1 : 2 } }).status();
    const { result } = await answerOf({ ...running, status });
    expect([asked, result.finding]).toEqual([3, 'preshared-keys-differ']);
  });

  it.each([
    ['removed', 'client-removed', ': because'],
    ['superseded', 'key-shared', ''],
    ['error-at-relay', 'connection-ended', ': because'],
  ] as const)('that ended the connection (%s) is explained', async (cause, finding, why) => {
    const { result, now } = await answerOf(aPatient({ lastEnd: { cause, reason: 'because' } }));
    expect(result).toMatchObject({ step: 'answer', status: 'failed', finding });
    expect([result.text, now]).toEqual([`${FINDINGS[finding].title}${why}`, 0]);
  });
});

describe('what the relay knows', () => {
  const outcome = (clockMs: number): ProbeOutcome => ({
    ok: true,
    report: { clockMs, packetsSent: 0, packetsLost: 0, address: '203.0.113.7:5', name: 'laptop' },
    answerMs: 1,
    transferMs: 1,
  });

  it('is shown', () => {
    expect(judgeProbe(outcome(NOON), NOON)).toMatchObject({ status: 'ok' });
  });

  it('shows clocks that differ', () => {
    expect(judgeProbe(outcome(NOON - 3_600_000), NOON)).toMatchObject({
      status: 'warning',
      text: "The clocks differ: the relay's is 60 min behind this machine's",
    });
    expect(judgeProbe(outcome(NOON + 3_600_000), NOON).text).toContain('60 min ahead of');
  });

  it.each([
    ['malformed-request', 'warning', 'relay-too-old'],
    ['too-many-streams', 'failed', 'relay-busy'],
    ['connection-lost', 'failed', 'connection-lost'],
  ] as const)('is missing after %s', (reason, status, finding) => {
    expect(judgeProbe({ ok: false, reason }, NOON)).toMatchObject({ status, finding });
  });
});

describe('a target', () => {
  it.each([
    ['not-allowed', 'target-not-allowed'],
    ['name-not-found', 'target-name-not-found'],
    ['connection-refused', 'target-refused'],
    ['unreachable', 'target-unreachable'],
    ['timed-out', 'target-silent'],
    ['too-many-streams', 'relay-busy'],
    ['internal-error', 'target-failed'],
    ['malformed-request', 'target-failed'],
    ['address-in-use', 'target-failed'],
    ['invite-used', 'target-failed'],
    ['invite-expired', 'target-failed'],
    ['reset', 'target-failed'],
    ['not-read', 'target-failed'],
    ['relay-not-reached', 'connection-lost'],
    ['connection-lost', 'connection-lost'],
  ] as const)('that was %s is %s', (outcome, finding) => {
    const result = judgeTarget({ host: 'db', port: 5432 }, outcome);
    expect(result).toMatchObject({ status: 'failed', finding });
    expect(result.text).toContain('db:5432');
  });
});

describe('a UDP target', () => {
  it('is only said to be allowed, because its answers are unknown', () => {
    const target = { host: 'dns', port: 53, protocol: 'udp' } as const;
    expect(judgeTarget(target, 'opened').text).toBe(
      'dns:53/udp is allowed; whether it answers is unknown, because UDP has no connections',
    );
    expect(judgeTarget(target, 'not-allowed')).toMatchObject({
      finding: 'target-not-allowed',
      text: 'The target is not allowed: dns:53/udp',
    });
  });
});

describe('the targets', () => {
  const target = (port: number) => ({ host: 'db', port });

  const forwardsTo = (ports: readonly number[]) =>
    ports.map((port) => {
      const place = { bind: { kind: 'loopback' }, port: 0 } as const;
      return { kind: 'local', text: `0:db:${port}`, place, target: target(port) } as const;
    });

  it('are those of the command line and of the forwards, each once', () => {
    const forwards = forwardsTo([1, 2]);
    expect(targetsOf({ forwards }, { target: [target(2), target(3)] })).toEqual([2, 3, 1].map(target));
  });

  it('include those of UDP forwards', () => {
    const place = { bind: { kind: 'loopback' }, port: 0 } as const;
    const udp = { host: 'dns', port: 53, protocol: 'udp' } as const;
    const forward = { kind: 'udp', text: '0:dns:53', place, target: udp } as const;
    const tcp = { host: 'dns', port: 53 };
    expect(targetsOf({ forwards: [forward] }, { target: [tcp, udp] })).toEqual([tcp, udp]);
  });

  it('are limited, and those of the command line are among them', () => {
    const many = Array.from({ length: MAX_DOCTOR_TARGETS + 1 }, (_, i) => target(i + 1));
    expect(targetsOf({ forwards: [] }, { target: many })).toHaveLength(MAX_DOCTOR_TARGETS);
    const forwards = forwardsTo(many.map(({ port }) => port));
    expect(targetsOf({ forwards }, { target: [target(9999)] })[0]).toEqual(target(9999));
  });
});

describe('the path', () => {
  it('is lossy from 2 % in either direction', () => {
    expect(judgeLoss(1.9, 0).status).toBe('ok');
    expect(judgeLoss(0, 2)).toMatchObject({ status: 'warning', finding: 'path-lossy' });
  });

  it('has a size', () => {
    expect(judgePath(1500, true, false).text).toBe('packets of 1500 bytes pass whole');
    expect(judgePath(1280, false, false).text).toContain('without koffi');
    expect(judgePath(1280, true, true)).toMatchObject({ finding: 'path-fragments' });
  });

  it('is measured with more and more bytes, until that takes long enough', async () => {
    const sizes: number[] = [];
    const probe = (perMs: number) => ({
      probe: ({
        uploadBytes,
        downloadBytes,
      }: {
        readonly uploadBytes: number;
        readonly downloadBytes: number;
      }) => {
        sizes.push(uploadBytes + downloadBytes);
        const transferMs = (uploadBytes + downloadBytes) / perMs;
        return Promise.resolve({ ok: true, report: {}, answerMs: 1, transferMs } as ProbeOutcome);
      },
    });
    expect(await measure(probe(1000), 'up')).toEqual({ bytesPerSecond: 1_000_000 });
    expect(sizes).toEqual([64, 512, 4096].map((kib) => kib * 1024));
    sizes.length = 0;
    await measure(probe(10), 'down');
    expect(sizes).toHaveLength(1);
  });

  it('that dies while it is measured keeps the rate that is known', async () => {
    let left = 1;
    const probe = (): Promise<ProbeOutcome> =>
      Promise.resolve(
        left-- > 0
          ? ({ ok: true, report: {}, answerMs: 1, transferMs: 64 } as ProbeOutcome)
          : { ok: false, reason: 'connection-lost' },
      );
    expect(await measure({ probe }, 'up')).toEqual({ bytesPerSecond: 1_024_000 });
    expect(await measure({ probe }, 'up')).toBe('connection-lost');
  });
});
