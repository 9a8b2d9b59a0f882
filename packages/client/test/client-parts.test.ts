/** Follows what happens to a client through its parts: what each of them is told, and what the program is told. The parts
 *  have tests of their own, so here the test plays them. */
import { type TunnelFailure, TunnelSocket } from '@underpass/forward';
import type { ConnectionError, Endpoint, Peer } from '@underpass/protocol';
import { type DatagramSocket, type Log, systemTimers } from '@underpass/runtime';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type ClientParts, RunningClient } from '../src/client.js';
import { DEFAULT_CONTACT_LIMIT_MS, FIRST_LOOKUP_MS } from '../src/client-constants.js';
import type { ClientEvent, ClientOptions } from '../src/client-options.js';
import { calls, fire, optionsOf, type PlayedOptions, reset, stage } from './played-part.js';

vi.mock('@underpass/runtime', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Driver: (await import('./played-part.js')).playedDriver(),
}));
vi.mock('../src/carrier.js', async () => ({ Carrier: (await import('./played-part.js')).played('carrier') }));
vi.mock('../src/forwards.js', async () => ({
  Forwards: (await import('./played-part.js')).played('forwards'),
}));
vi.mock('../src/incoming-streams.js', async () => ({
  IncomingStreams: (await import('./played-part.js')).played('incoming'),
}));
vi.mock('../src/contact-report.js', async () => ({
  ContactReport: (await import('./played-part.js')).played('report'),
}));
vi.mock('../src/relay-finder.js', async () => ({
  RelayFinder: (await import('./played-part.js')).played('finder'),
}));

const RELAY = { host: 'relay.example', port: 51820 };
const ADDRESS = { address: '192.0.2.1', port: 51820 };
const ANY = expect.anything();
beforeEach(() => {
  reset({
    'carrier.shared=': {},
    'carrier.connections=': 3,
    'incoming.connections=': 4,
    'carrier.streams': [{ id: 1 }],
    'incoming.streams': [{ id: 2 }],
    'forwards.bound=': [],
    'forwards.takeLostListeners': 0,
    'finder.start': new Promise(() => undefined),
  });
});

function setUp(more: Partial<ClientOptions> = {}, changePort = async () => false) {
  const logged: unknown[] = [];
  const relayState = { connected: false, keypair: undefined as number | undefined };
  const relay = {
    address: ADDRESS,
    stats: () => ({ connected: relayState.connected, handshakeRttMs: 12 }),
    session: { sendableKeypairId: (now: number) => (now === stage.now ? relayState.keypair : undefined) },
    openStream: () => ({ id: 8 }),
    connect: (now: number) => stage.calls.push(['relay.connect', now]),
    setAddress: (now: number, address: unknown) => stage.calls.push(['relay.setAddress', now, address]),
    tryAddress: (now: number, address: unknown) => stage.calls.push(['relay.tryAddress', now, address]),
  };
  const client = new RunningClient(
    {
      relay: RELAY,
      relayPublicKey: new Uint8Array(32),
      privateKey: new Uint8Array(32),
      forwards: [],
      log: { debug: (fields: object, text: string) => logged.push([fields, text]) } as unknown as Log,
      onEvent: (event: ClientEvent) => stage.calls.push(['event', { ...event }]),
      ...more,
    },
    {
      endpoint: { drops: { replay: 5 } } as unknown as Endpoint,
      relay: relay as unknown as Peer,
      socket: {
        kind: 'plain',
        segments: true,
        coalesces: false,
        sendErrors: { EPERM: 1 },
        address: { address: '::', port: 40_000 },
      } as unknown as DatagramSocket,
      changePort,
      suiteName: 'portable',
    } satisfies ClientParts,
  );
  stage.calls.length = 0;
  const carrier = optionsOf('carrier');
  /** The parts' view of the relay: whether it was reached, and whether it answers. */
  const contact = () => [carrier.hasContact?.(), carrier.isReachable?.()];
  return { client, contact, relayState, logged };
}

it('a client that should switch to another port does, and stays where it is if it cannot (spec outage 10)', async () => {
  const moved = setUp({}, async () => true);
  optionsOf('finder').changePort?.();
  await vi.waitFor(() =>
    expect(moved.logged).toEqual([[{ port: 40_000 }, 'no answer: switched to another UDP port, 40000']]),
  );
  const changing = Promise.resolve(false);
  const closed = setUp({}, () => changing);
  optionsOf('finder').changePort?.();
  await changing;
  await Promise.resolve();
  expect(closed.logged).toEqual([]);
  const stuck = setUp({}, () => Promise.reject(new Error('no descriptors')));
  optionsOf('finder').changePort?.();
  await vi.waitFor(() =>
    expect(stuck.logged).toEqual([[ANY, 'no answer, and no other UDP port can be opened']]),
  );
});

const error = (reason: string, code = 3) => ({ reason, code, isRemote: false }) as unknown as ConnectionError;

describe('a client whose relay', () => {
  it('is reached lets the connections start that wait for it, and says so', () => {
    const { contact } = setUp();
    expect(contact()).toEqual([false, false]);
    fire('onConnected');
    expect(contact()).toEqual([true, true]);
    expect(calls()).toEqual([
      ['report.end'],
      ['carrier.onContact'],
      ['forwards.onContact'],
      ['event', { type: 'connected', handshakeRttMs: 12 }],
    ]);
  });

  it('falls silent does not take it for reachable until it answers', () => {
    const { contact } = setUp();
    fire('onConnected');
    calls();
    fire('onWaiting', undefined, 400);
    expect(contact()).toEqual([true, false]);
    expect(calls()).toEqual([
      ['report.begin', true],
      ['event', { type: 'waiting', silentMs: 600 }],
    ]);
    fire('onResumed', undefined, 700);
    expect(contact()).toEqual([true, true]);
    expect(calls()).toEqual([['report.end'], ['event', { type: 'resumed', silentMs: 700 }]]);
  });

  it('was silent and is reached again takes it for reachable', () => {
    const { contact } = setUp();
    fire('onConnected');
    fire('onWaiting', undefined, 400);
    fire('onDisconnected', undefined, error('gone'), 0);
    expect(contact()).toEqual([false, false]);
    fire('onConnected');
    expect(contact()).toEqual([true, true]);
  });

  it.each<[string, number, number, string, number]>([
    ['the relay restarted', 5, 2, 'the relay restarted', 3],
    ['', 2, 0, 'code 3', 2],
  ])(
    'ends the connection says why, and how many connections it lost: %j',
    (reason, lost, listeners, words, count) => {
      const { contact } = setUp();
      fire('onConnected');
      calls();
      stage.answers['forwards.takeLostListeners'] = listeners;
      fire('onDisconnected', undefined, error(reason), lost);
      expect(contact()).toEqual([false, false]);
      const cause = expect.any(String);
      expect(calls()).toEqual([
        ['report.end'],
        ['forwards.takeLostListeners'],
        ['event', { type: 'disconnected', cause, reason: words, lostStreams: count }],
        ['forwards.onDisconnected', cause],
      ]);
    },
  );

  it('permits more streams, opens one, or cannot be sent to, leaves that to the part that knows', () => {
    setUp();
    fire('onStreamsAvailable');
    fire('onStream', undefined, 'stream');
    fire('onSendError', ADDRESS, 'EPERM');
    fire('onPathFragments', undefined, 1452);
    expect(calls()).toEqual([
      ['carrier.startWaiting'],
      ['incoming.accept', 'stream'],
      ['report.onSendError', ADDRESS, 'EPERM'],
      ['finder.onSendError', ADDRESS],
      ['event', { type: 'path-fragments', datagramBytes: 1452 }],
    ]);
  });
});

describe('a client looks for its relay', () => {
  it('when something needs it, unless it was reached', () => {
    const { client } = setUp();
    const sought = [['finder.seek'], ['report.begin']];
    for (const part of ['carrier', 'incoming', 'forwards']) {
      optionsOf(part).seek?.();
      expect(calls()).toEqual(sought);
    }
    client.connect();
    expect(calls()).toEqual([['relay.connect', 1000], ...sought, ['driver.wake']]);
    fire('onConnected');
    calls();
    optionsOf('carrier').seek?.();
    client.connect();
    expect(calls()).toEqual([['relay.connect', 1000], ['driver.wake']]);
  });

  it('at the addresses that its finder chooses', () => {
    const { logged } = setUp();
    const finder = optionsOf('finder');
    finder.setAddress?.(ADDRESS);
    expect(calls()).toEqual([['report.onResolved'], ['relay.setAddress', 1000, ADDRESS]]);
    finder.tryAddress?.(ADDRESS);
    expect(calls()).toEqual([['relay.tryAddress', 1000, ADDRESS], ['driver.wake']]);
    expect(logged).toEqual([[{ address: ADDRESS }, 'trying the relay at 192.0.2.1:51820']]);
    finder.onUnresolved?.('EAI_AGAIN');
    expect(calls()).toEqual([['report.onUnresolved', 'relay.example', 51820, 'EAI_AGAIN']]);
  });

  it('and its finder sees whether there are keys', () => {
    const { relayState } = setUp();
    const finder = optionsOf('finder');
    expect(finder.contact?.()).toMatchObject({ connected: false, hasKeys: false });
    relayState.keypair = 7;
    expect(finder.contact?.()).toMatchObject({ handshakeRttMs: 12, hasKeys: true });
  });

  it.each([
    ['its own', { contactLimitMs: 5 }, 5],
    ['no limit', { contactLimitMs: 0 }, 0],
    ['the default', {}, DEFAULT_CONTACT_LIMIT_MS],
  ])('and lets connections wait as long as %s', (_what, options, expected) => {
    setUp(options);
    expect(stage.options.carrier).toMatchObject({ contactLimitMs: expected });
    expect(optionsOf('report').waitingConnections?.()).toBe(3);
    expect(optionsOf('report').address?.()).toBe(ADDRESS);
  });
});

describe('the first lookup', () => {
  /** Starts a client whose first lookup has this result. */
  const start = (result: Promise<string | undefined>, more: Partial<ClientOptions> = {}) => {
    stage.answers['finder.start'] = result;
    const pending = new Set<{ readonly callback: () => void; readonly delayMs: number }>();
    vi.spyOn(systemTimers, 'set').mockImplementation((callback, delayMs) => {
      const timer = { callback, delayMs };
      pending.add(timer);
      return timer;
    });
    vi.spyOn(systemTimers, 'clear').mockImplementation((timer) => void pending.delete(timer as never));
    const { client } = setUp(more);
    return { found: client.findRelay(), pending };
  };
  const refuse = { refuseUnknownName: true };

  it.each<[string, string | undefined, Partial<ClientOptions>, boolean]>([
    ['finds it', undefined, refuse, false],
    ['says that there is no such name', 'ENOTFOUND', refuse, true],
    ['says so when nobody asked for the refusal', 'ENOTFOUND', {}, false],
    ['fails for another reason', 'EAI_AGAIN', refuse, false],
    ['fails for an address', 'ENOTFOUND', { relay: { host: '192.0.2.1', port: 1 } }, false],
  ])('that %s', async (_what, code, options, isRefused) => {
    const { found, pending } = start(Promise.resolve(code), options);
    if (isRefused) await expect(found).rejects.toThrow('relay.example');
    else await found;
    expect(pending.size).toBe(0);
    calls();
    // From now on it is a client that runs.
    optionsOf('finder').onUnresolved?.('ENOTFOUND');
    expect(calls()).toEqual([['report.onUnresolved', ANY, ANY, 'ENOTFOUND']]);
  });

  it('that refuses the name is not reported as well', () => {
    start(new Promise(() => undefined), refuse);
    calls();
    optionsOf('finder').onUnresolved?.('ENOTFOUND');
    expect(calls()).toEqual([]);
    optionsOf('finder').onUnresolved?.('EAI_AGAIN');
    expect(calls()).toHaveLength(1);
  });

  it('may take a while, after which the client starts without it', async () => {
    const { found, pending } = start(new Promise(() => undefined), refuse);
    const [timer] = pending;
    expect(timer?.delayMs).toBe(FIRST_LOOKUP_MS);
    timer?.callback();
    await found;
  });

  it('of a name is not waited for by default', async () => {
    await start(new Promise(() => undefined)).found;
  });
});

describe('closing a client', () => {
  it('ends everything in order, and rejects whoever waits', async () => {
    const { client, relayState } = setUp();
    const waiting = expect(client.connected()).rejects.toThrow('the client is closed');
    await client.close();
    await waiting;
    expect(calls()).toEqual([
      ['finder.stop'],
      ['report.end'],
      ['carrier.stopWaiting'],
      ['forwards.close'],
      ['driver.close'],
      ['carrier.close'],
      ['incoming.close'],
    ]);
    // What the driver still has to say is about an end that the client chose.
    fire('onDisconnected', undefined, error('closed'), 2);
    expect(calls()).toEqual([['report.end']]);
    for (const part of ['carrier', 'incoming', 'forwards'])
      expect(optionsOf(part).openStream?.()).toBeUndefined();
    await expect(client.connected()).rejects.toThrow('the client is closed');
    relayState.connected = true;
    await client.connected();
  });

  it('waits for each part before the next, so that a listener at the relay still learns of its end', async () => {
    const { client } = setUp();
    const steps = ['forwards.close', 'driver.close', 'carrier.close'];
    for (const [index, step] of steps.entries()) {
      let finish = (): void => undefined;
      stage.answers[step] = new Promise<void>((resolve) => {
        finish = resolve;
      });
      if (index === 0) void client.close();
      await vi.waitFor(() => expect(stage.calls.flat()).toContain(step));
      const later = steps[index + 1];
      await new Promise(setImmediate);
      if (later !== undefined) expect(stage.calls.flat()).not.toContain(later);
      finish();
    }
    await client.close();
  });

  it('opens streams before it', () => {
    setUp();
    for (const part of ['carrier', 'incoming', 'forwards']) {
      expect(optionsOf(part).openStream?.()).toEqual({ id: 8 });
    }
  });
});

describe('a client', () => {
  it('lets everybody go on who waited for its relay', async () => {
    const { client } = setUp();
    const waiting = Promise.all([client.connected(), client.connected()]);
    fire('onConnected');
    await waiting;
  });

  it('says how it is', () => {
    expect(setUp().client.status()).toEqual({
      relay: { connected: false, handshakeRttMs: 12 },
      suite: 'portable',
      socket: 'plain',
      segments: true,
      coalesces: false,
      drops: { replay: 5 },
      sendErrors: { EPERM: 1 },
      forwards: [],
      openStreams: 7,
      streams: [{ id: 1 }, { id: 2 }],
    });
  });

  it('leaves its forwards to the part that runs them', async () => {
    const { client } = setUp();
    const [forward, service] = [{ text: 'a forward' }, { serve: () => undefined }] as never[];
    stage.answers['forwards.add'] = 'bound';
    stage.answers['forwards.remove'] = 'removed';
    expect(client.addForward(forward as never, service)).toBe('bound');
    expect(client.removeForward(forward as never)).toBe('removed');
    expect(calls()).toEqual([
      ['forwards.add', forward, service],
      ['forwards.remove', forward],
    ]);
  });

  it('dials targets of streams, and refuses others before anything happens', () => {
    const { client } = setUp();
    expect(() => client.dial('nowhere')).toThrow('expected host:port');
    expect(() => client.dial({ host: 'a', port: 1, protocol: 'udp' })).toThrow(
      'is not a target for a stream',
    );
    expect(calls()).toEqual([]);
    expect(client.dial('localhost:80')).toBeInstanceOf(TunnelSocket);
    expect(calls()).toMatchObject([
      ['carrier.carry', ANY, { host: 'localhost', port: 80 }, expect.any(Function)],
    ]);
  });

  it.each<[string, (observer: PlayedOptions) => void, 'opened' | TunnelFailure]>([
    ['opens', (observer) => void observer.onOpened?.(), 'opened'],
    ['is refused', (observer) => void observer.onFailed?.('not-allowed'), 'not-allowed'],
    ['ends without an answer', (observer) => void observer.onEnded?.(), 'connection-lost'],
  ])('tries a flow that %s', async (_what, act, outcome) => {
    const ended: string[] = [];
    stage.answers['carrier.openFlow'] = { end: () => ended.push('ended') };
    const { client } = setUp();
    const tried = client.tryFlow({ host: 'localhost', port: 53, protocol: 'udp' });
    const [[, options]] = calls() as [[string, PlayedOptions]];
    expect(options).toMatchObject({
      request: { kind: 'udp', host: 'localhost', port: 53 },
      from: 'this program',
    });
    act(options);
    expect([await tried, ended]).toEqual([outcome, outcome === 'opened' ? ['ended'] : []]);
  });
});
