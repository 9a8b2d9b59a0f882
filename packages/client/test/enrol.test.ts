/** One attempt to enrol, with a network and a relay that the test plays (spec enrolment 3, 5). */
import { encodeEnrolAnswer, encodeRequest, encodeStatus, MAX_ENROL_ANSWER_BYTES } from '@underpass/forward';
import { ConnectionErrorCode, StreamErrorCode } from '@underpass/protocol';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ENROL_ANSWER_MS, ENROL_CONTACT_MS } from '../src/client-constants.js';
import { type Enrolment, type EnrolOptions, enrol } from '../src/enrol.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { calls, fire, optionsOf, reset, stage } from './played-part.js';

vi.mock('@underpass/runtime', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Driver: (await import('./played-part.js')).playedDriver(),
  openUdpSocket: async () => ({}),
  transportOver: () => ({}),
}));
vi.mock('@underpass/protocol', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Endpoint: (await import('./played-part.js')).played('endpoint'),
}));
vi.mock('../src/contact-report.js', async () => ({
  ContactReport: (await import('./played-part.js')).played('report'),
}));
vi.mock('../src/relay-finder.js', async () => ({
  RelayFinder: (await import('./played-part.js')).played('finder'),
}));

const LINK = {
  endpoint: { host: 'relay.example', port: 51_820 },
  relayPublicKey: new Uint8Array(32).fill(1),
  secret: new Uint8Array(32).fill(2),
};
const PUBLIC_KEY = new Uint8Array(32).fill(3);
const ADDRESS = { address: '192.0.2.1', port: 51_820 };
const ANSWER = { presharedKey: new Uint8Array(32).fill(9), peerName: 'laptop', relayName: 'home' };
const OPENED = Buffer.concat([encodeStatus('opened'), encodeEnrolAnswer(ANSWER)]);

const streams: FakeStream[] = [];
let hasStreams = true;
beforeEach(() => {
  streams.length = 0;
  hasStreams = true;
  const relay = {
    address: ADDRESS,
    stats: () => ({ connected: false }),
    session: { sendableKeypairId: () => undefined },
    connect: (now: number) => stage.calls.push(['relay.connect', now]),
    setAddress: (...parameters: unknown[]) => stage.calls.push(['relay.setAddress', ...parameters]),
    tryAddress: (...parameters: unknown[]) => stage.calls.push(['relay.tryAddress', ...parameters]),
    openStream: () => {
      if (!hasStreams) return undefined;
      const stream = new FakeStream(4 * streams.length);
      streams.push(stream);
      return stream;
    },
  };
  reset({ 'endpoint.addPeer': relay });
});

/** Starts an attempt, and waits until it has asked. */
async function start(more: Partial<EnrolOptions> = {}) {
  const timers = new FakeTimers();
  let outcome: Enrolment | undefined;
  const done = enrol({ link: LINK, publicKey: PUBLIC_KEY, timers, ...more }).then((result) => {
    outcome = result;
    return result;
  });
  await vi.waitUntil(() => stage.calls.some(([call]) => call === 'report.begin'));
  for (const [call, stream, handler] of stage.calls) {
    if (call === 'driver.attach') (stream as FakeStream).handler = handler as FakeStream['handler'];
  }
  const attached = () => {
    for (const [call, stream, handler] of calls()) {
      if (call === 'driver.attach') (stream as FakeStream).handler = handler as FakeStream['handler'];
    }
    return streams.at(-1) as FakeStream;
  };
  return { done, timers, outcome: () => outcome, attached };
}

const lost = (code: number, by: 'peer' | 'local' = 'peer') => fire('onDisconnected', undefined, { by, code });

it('an attempt to enrol looks up the name of the relay as it is told to', async () => {
  const lookUp = async () => ['192.0.2.1'];
  const abort = new AbortController();
  const { done } = await start({ lookUp, signal: abort.signal });
  expect(optionsOf('finder')).toMatchObject({ relay: LINK.endpoint, lookUp });
  abort.abort();
  await done;
});

describe('an attempt to enrol', () => {
  it('looks for the relay and asks at once, with the key that the client has drawn', async () => {
    const { attached } = await start();
    const order = stage.calls.map(([call]) => call);
    expect(order.filter((call) => !String(call).startsWith('endpoint'))).toEqual([
      'finder.start',
      'relay.connect',
      'finder.seek',
      'report.begin',
      'driver.attach',
      'driver.wake',
    ]);
    const stream = attached();
    expect(stream.written).toEqual(Buffer.from(encodeRequest({ kind: 'enrol', publicKey: PUBLIC_KEY })));
    expect([stream.finished, streams.length]).toEqual([true, 1]);
  });

  it('leaves none of the one-time keys in memory, because the endpoint has copies', async () => {
    await start();
    const { privateKey } = stage.options.endpoint as { readonly privateKey: Uint8Array };
    const [, peer] = stage.calls.find(([call]) => call === 'endpoint.addPeer') ?? [];
    const { presharedKey } = peer as { readonly presharedKey: Uint8Array };
    expect([privateKey, presharedKey]).toEqual([new Uint8Array(32), new Uint8Array(32)]);
  });

  it('tries the addresses that its finder chooses, and reports what is wrong with them', async () => {
    await start();
    calls();
    const finder = optionsOf('finder');
    finder.setAddress?.(ADDRESS);
    finder.tryAddress?.(ADDRESS);
    finder.onUnresolved?.('EAI_AGAIN');
    fire('onSendError', ADDRESS, 'EPERM');
    expect(finder.contact?.()).toEqual({ connected: false, hasKeys: false });
    expect(optionsOf('report').waitingConnections?.()).toBe(0);
    expect(optionsOf('report').address?.()).toBe(ADDRESS);
    expect(calls()).toEqual([
      ['report.onResolved'],
      ['relay.setAddress', 1000, ADDRESS],
      ['relay.tryAddress', 1000, ADDRESS],
      ['driver.wake'],
      ['report.onUnresolved', 'relay.example', 51_820, 'EAI_AGAIN'],
      ['report.onSendError', ADDRESS, 'EPERM'],
      ['finder.onSendError', ADDRESS],
    ]);
  });

  it('takes no streams of the relay', async () => {
    await start();
    const stream = new FakeStream(1, true);
    fire('onStream', undefined, stream);
    expect(stream.resetCode).toBe(StreamErrorCode.refused);
  });

  it('asks again when the connection is lost, if it may, and only then', async () => {
    const { attached, outcome, done } = await start();
    lost(ConnectionErrorCode.peerRestarted);
    lost(ConnectionErrorCode.removed, 'local');
    lost(ConnectionErrorCode.superseded, 'local');
    expect([streams.length, outcome()]).toEqual([4, undefined]);
    hasStreams = false;
    lost(ConnectionErrorCode.peerRestarted);
    expect(streams).toHaveLength(4);
    attached().arrive(Uint8Array.from(OPENED));
    expect(await done).toEqual({ kind: 'enrolled', answer: ANSWER });
  });
});

describe('the answer to an attempt to enrol', () => {
  const enrolled = { kind: 'enrolled', answer: ANSWER };
  const cut = { kind: 'refused', status: 'internal-error' };
  it.each<[string, readonly Uint8Array[], boolean, object | undefined]>([
    ['opened', [OPENED], false, enrolled],
    [
      'opened, in pieces',
      [OPENED.subarray(0, 1), OPENED.subarray(1, 20), OPENED.subarray(20)],
      false,
      enrolled,
    ],
    ['opened, with bytes of a later version', [OPENED, Buffer.alloc(100)], false, enrolled],
    [
      'opened, with more bytes than any answer has',
      [OPENED, Buffer.alloc(2 * MAX_ENROL_ANSWER_BYTES), Buffer.alloc(1)],
      true,
      enrolled,
    ],
    ['a refusal', [encodeStatus('invite-used')], false, { kind: 'refused', status: 'invite-used' }],
    [
      'another refusal',
      [encodeStatus('invite-expired')],
      true,
      { kind: 'refused', status: 'invite-expired' },
    ],
    ['nothing yet', [], false, undefined],
    ['nothing at all', [], true, cut],
    ['opened, and nothing more yet', [OPENED.subarray(0, 30)], false, undefined],
    ['opened, and no more than that', [OPENED.subarray(0, 30)], true, cut],
  ])('may be: %s; and no copy of its key stays in memory', async (_what, chunks, isOver, expected) => {
    const { attached, outcome, done } = await start();
    const stream = attached();
    const given = chunks.map((chunk) => Uint8Array.from(chunk));
    const joins = vi.spyOn(Buffer, 'concat');
    stream.arrive(...given);
    if (isOver) stream.arriveFin();
    if (expected !== undefined) await done;
    const copies = joins.mock.results.map(({ value }) => value as Uint8Array);
    joins.mockRestore();
    expect(outcome()).toEqual(expected);
    // What has come so far of an answer that is not complete is needed.
    const left = [...given, ...copies].filter((bytes) => bytes.some((byte) => byte !== 0));
    expect(left).toEqual(expected === undefined ? copies.slice(-1) : []);
  });
});

describe('an attempt to enrol ends', () => {
  const CASES: readonly [string, Enrolment, (timers: FakeTimers, abort: AbortController) => unknown][] = [
    [
      'when the relay removes it',
      { kind: 'ended', cause: 'removed' },
      () => lost(ConnectionErrorCode.removed),
    ],
    [
      'when another client has its place',
      { kind: 'ended', cause: 'superseded' },
      () => lost(ConnectionErrorCode.superseded),
    ],
    [
      'when the relay is not reached in time',
      { kind: 'no-answer', wasReached: false, problem: undefined },
      (timers) => timers.runTo(ENROL_CONTACT_MS),
    ],
    [
      'when it is aborted',
      { kind: 'no-answer', wasReached: false, problem: { kind: 'no-answer' } as never },
      (_timers, abort) => {
        optionsOf('report').emit?.({ type: 'contact-problem', problem: { kind: 'no-answer' } });
        abort.abort();
      },
    ],
    [
      'when the relay was reached and does not answer in time',
      { kind: 'no-answer', wasReached: true, problem: undefined },
      async (timers) => {
        await timers.runTo(ENROL_CONTACT_MS - 1);
        fire('onConnected');
        await timers.runTo(ENROL_CONTACT_MS + 1);
        fire('onConnected'); // a second time, which gives no more time
        await timers.runTo(ENROL_CONTACT_MS - 1 + ENROL_ANSWER_MS);
      },
    ],
  ];

  it.each(CASES)('%s, and leaves nothing behind', async (_why, expected, act) => {
    const abort = new AbortController();
    const events: object[] = [];
    const removed = vi.spyOn(abort.signal, 'removeEventListener');
    const { done, timers, outcome } = await start({
      signal: abort.signal,
      onEvent: (event) => events.push(event),
    });
    await timers.runTo(10);
    expect(outcome()).toBeUndefined();
    calls();
    await act(timers, abort);
    expect(await done).toEqual(expected);
    const ends = calls().filter(([call]) => call !== 'driver.attach' && call !== 'driver.wake');
    expect(ends.slice(-3)).toEqual([['finder.stop'], ['report.end'], ['driver.close']]);
    expect([timers.pending, removed.mock.calls.length]).toEqual([0, 1]);
    const hasProblem = expected.kind === 'no-answer' && expected.problem !== undefined;
    expect(events).toHaveLength(hasProblem ? 1 : 0);
  });

  it('a moment before a limit not yet', async () => {
    const { timers, outcome } = await start();
    await timers.runTo(ENROL_CONTACT_MS - 1);
    fire('onConnected');
    expect(calls().at(-1)).toEqual(['report.end']);
    await timers.runTo(ENROL_CONTACT_MS - 2 + ENROL_ANSWER_MS);
    expect(outcome()).toBeUndefined();
  });

  it('at once if it was aborted before', async () => {
    const { done } = await start({ signal: AbortSignal.abort() });
    expect(await done).toMatchObject({ kind: 'no-answer', wasReached: false });
  });
});
