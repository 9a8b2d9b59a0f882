/** The client that the doctor examines: one that runs, or one of its own. */
import type { ClientEvent, ClientOptions } from '@underpass/client';
import type { Target } from '@underpass/forward';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClientConfig } from '../../src/config/client-config.js';
import { PROBE_ANSWER_MS } from '../../src/control/check-path.js';
import type { ControlRequest } from '../../src/control/control-client.js';
import { openPatient } from '../../src/doctor/patient.js';

const stage = vi.hoisted(() => ({
  calls: [] as unknown[][],
  options: undefined as unknown,
  isTaken: false,
  fails: false,
}));

vi.mock('@underpass/client', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  startClient: async (options: unknown) => {
    if (stage.fails) throw new Error('the port is taken');
    stage.options = options;
    return {
      connect: () => stage.calls.push(['connect']),
      close: async () => void stage.calls.push(['close']),
      status: () => ({ drops: {}, streams: [], forwards: [], relay: { flowDatagrams: {} } }),
      tryFlow: async (target: unknown) => {
        stage.calls.push(['tryFlow', target]);
        return 'opened';
      },
      probe: async (options: unknown) => {
        stage.calls.push(['probe', options]);
        return { ok: true };
      },
    };
  },
}));
vi.mock('../../src/control/claim-client.js', () => ({
  claimClient: async (facts: unknown) => {
    stage.calls.push(['claim', facts]);
    return stage.isTaken
      ? { kind: 'taken', socket: '/run/client.sock' }
      : { kind: 'claimed', control: { close: () => stage.calls.push(['release']) } };
  },
}));
vi.mock('../../src/control/control-client.js', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  askControl: async (request: ControlRequest) => {
    stage.calls.push(['ask', request]);
    return { pid: 7, outcome: 'not-allowed', ok: true };
  },
}));

const key = (seed: number) => new Uint8Array(32).fill(seed);
const CONFIG: ClientConfig = {
  relay: { host: '192.0.2.1', port: 51820 },
  relayPublicKey: key(1),
  privateKey: key(2),
  publicKey: key(3),
  presharedKey: undefined,
  persistentKeepaliveSeconds: 25,
  connectTimeoutSeconds: 30,
  forwards: [],
  congestion: undefined,
  memoryPerPeerBytes: undefined,
  metrics: undefined,
  logLevel: undefined,
};
const UDP: Target = { host: 'dns', port: 53, protocol: 'udp' };
const FACTS = { name: 'vps', endpoint: '192.0.2.1:51820', publicKey: key(3), relayPublicKey: key(1) };
const calls = () => stage.calls.splice(0);

beforeEach(() => {
  Object.assign(stage, { options: undefined, isTaken: false, fails: false });
  stage.calls.length = 0;
});

describe('a patient of its own', () => {
  it('has the keys of the config, and no forwards', async () => {
    await openPatient(CONFIG, 'vps');
    expect(calls()).toEqual([['claim', FACTS], ['connect']]);
    expect(stage.options).toMatchObject({
      relay: CONFIG.relay,
      relayPublicKey: key(1),
      privateKey: key(2),
      forwards: [],
    });
    for (const name of ['presharedKey', 'congestion', 'memoryPerPeerBytes']) {
      expect(stage.options).not.toHaveProperty(name);
    }
    const more = { presharedKey: key(4), congestion: 'bbr', memoryPerPeerBytes: 64e6 } as const;
    await openPatient({ ...CONFIG, ...more }, 'vps');
    expect(stage.options).toMatchObject(more);
  });

  it('is asked directly, and gives its keys back before it closes', async () => {
    const patient = await openPatient(CONFIG, 'vps');
    calls();
    expect([patient.pid, (await patient.status()).name]).toEqual([undefined, 'vps']);
    expect(await patient.check(UDP)).toBe('opened');
    const sizes = { uploadBytes: 1, downloadBytes: 2 };
    await patient.probe(sizes);
    await patient.close();
    expect(calls()).toEqual([['tryFlow', UDP], ['probe', sizes], ['release'], ['close']]);
  });

  it('remembers how its connection ended last, and that the path fragments', async () => {
    const patient = await openPatient(CONFIG, 'vps');
    const happen = (event: ClientEvent) => (stage.options as ClientOptions).onEvent?.(event);
    expect([patient.lastEnd, patient.fragments]).toEqual([undefined, false]);
    happen({ type: 'resumed', silentMs: 5 });
    expect([patient.lastEnd, patient.fragments]).toEqual([undefined, false]);
    for (const cause of ['relay-stopped', 'removed'] as const) {
      happen({ type: 'disconnected', cause, reason: 'because', lostStreams: 0 });
      expect(patient.lastEnd).toMatchObject({ cause, reason: 'because' });
    }
    happen({ type: 'path-fragments', datagramBytes: 1452 });
    expect(patient.fragments).toBe(true);
  });

  it('gives its keys back if it cannot start', async () => {
    stage.fails = true;
    await expect(openPatient(CONFIG, 'vps')).rejects.toThrow('the port is taken');
    expect(calls()).toEqual([['claim', FACTS], ['release']]);
  });
});

it('a patient that runs already is asked over its socket, and goes on afterwards', async () => {
  stage.isTaken = true;
  const patient = await openPatient(CONFIG, 'vps');
  expect([patient.pid, patient.lastEnd, patient.fragments]).toEqual([7, undefined, false]);
  calls();
  await patient.status();
  expect(await patient.check(UDP)).toBe('not-allowed');
  const sizes = { uploadBytes: 1, downloadBytes: 2 };
  await patient.probe(sizes);
  await patient.close();
  const socket = '/run/client.sock';
  const post = { socket, method: 'POST' };
  expect(calls()).toEqual([
    ['ask', { socket, method: 'GET', path: '/status' }],
    ['ask', { ...post, path: '/check', body: { target: 'dns:53/udp' }, timeoutMs: PROBE_ANSWER_MS }],
    ['ask', { ...post, path: '/probe', body: sizes, timeoutMs: 2 * PROBE_ANSWER_MS }],
  ]);
  expect(stage.options).toBeUndefined();
});
