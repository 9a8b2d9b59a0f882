/** The flows that a client opens, the sockets that it admits, and what becomes of them. */
import type { Link, LocalEnd, RequestStatus, UdpTarget } from '@underpass/forward';
import type { Stream } from '@underpass/protocol';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { adviceFor, forbiddenAdvice } from '../src/advice.js';
import { Carrier, type FlowOptions } from '../src/carrier.js';
import type { ClientEvent } from '../src/client-options.js';
import { FakeTimers } from './fake-timers.js';
import { calls, optionsOf, reset, stage } from './played-part.js';

vi.mock('@underpass/forward', async (importOriginal) => {
  const { played } = await import('./played-part.js');
  return {
    ...(await importOriginal<object>()),
    OutgoingFlow: class extends played('flow') {
      constructor(stream: unknown, options: unknown) {
        super(options);
        stage.options['flow stream'] = stream;
      }
    },
    DescriptorGuard: played('descriptors'),
    resetSocket: (socket: unknown) => stage.calls.push(['resetSocket', socket]),
  };
});

const TARGET: UdpTarget = { host: 'localhost', port: 53, protocol: 'udp' };
const LIMIT_MS = 30_000;
const CLOSED = { type: 'stream-closed', id: 1, target: TARGET };

beforeEach(() => reset({ 'descriptors.hasRoom': true }));

function setUp({ hasContact = true, hasPlace = true } = {}) {
  const timers = new FakeTimers();
  const events: ClientEvent[] = [];
  const warnings: unknown[] = [];
  const state = { sought: 0, hasContact, hasPlace };
  const tunnel = { attach: () => undefined, wake: () => undefined };
  const carrier = new Carrier({
    tunnel,
    openStream: () => (state.hasPlace ? ({ id: 12 } as Stream) : undefined),
    hasContact: () => state.hasContact,
    isReachable: () => state.hasContact,
    seek: () => {
      state.sought++;
    },
    emit: (event) => events.push(event),
    contactLimitMs: LIMIT_MS,
    log: { warn: (fields: object, text: string) => warnings.push({ ...fields, text }) } as never,
    now: () => timers.now,
    timers,
  });
  const heard: unknown[] = [];
  const open = (more: Partial<FlowOptions> = {}) =>
    carrier.openFlow({
      target: TARGET,
      request: { kind: 'udp', host: 'localhost', port: 53 },
      from: 'a program',
      onMessage: () => undefined,
      onOpened: () => heard.push('opened'),
      onFailed: (failure) => heard.push(failure),
      onEnded: () => heard.push('ended'),
      ...more,
    });
  return { carrier, tunnel, events, warnings, state, timers, open, heard };
}

const observer = () => optionsOf('flow').observer as unknown as ReturnType<typeof optionsOf>;

describe('a flow', () => {
  it('is announced and listed with its stream until it ends', () => {
    const { carrier, events, open, heard, timers, state } = setUp();
    timers.now = 7;
    expect(open()).toBeDefined();
    expect(events).toEqual([{ type: 'stream-opened', id: 1, target: TARGET, from: 'a program' }]);
    const listed = { id: 1, target: TARGET, from: 'a program', openedAt: 7, streamId: 12 };
    expect(carrier.streams()).toEqual([listed]);
    expect(stage.options['flow stream']).toEqual({ id: 12 });
    expect(stage.options.flow).toMatchObject({ request: { kind: 'udp', host: 'localhost', port: 53 } });
    observer().onOpened?.();
    const summary = { bytesSent: 5, bytesReceived: 6, clean: true };
    observer().onEnd?.(summary);
    expect(events.slice(1)).toEqual([{ ...CLOSED, ...summary }]);
    expect([heard, carrier.streams(), state.sought, timers.pending]).toEqual([['opened', 'ended'], [], 0, 0]);
  });

  it('has the tunnel and the clock of the client, and gives what arrives to its owner', () => {
    const { open, tunnel, timers } = setUp();
    const arrived: Uint8Array[] = [];
    open({ onMessage: (message) => arrived.push(message) });
    const flow = optionsOf('flow');
    timers.now = 9;
    expect(flow.now?.()).toBe(9);
    expect(flow.tunnel).toBe(tunnel);
    flow.onMessage?.(Buffer.from('answer'));
    expect(arrived.map(String)).toEqual(['answer']);
  });

  it('without anybody who waits for it to open or to end is one all the same', () => {
    const { open, events } = setUp();
    open({ onOpened: undefined, onFailed: undefined, onEnded: undefined } as never);
    expect(observer()).not.toHaveProperty('onOpened');
    observer().onRefused?.('not-allowed');
    observer().onEnd?.({ bytesSent: 0, bytesReceived: 0, clean: false });
    expect(events.map(({ type }) => type)).toEqual(['stream-opened', 'refused', 'stream-closed']);
  });

  it.each<[RequestStatus, string]>([
    ['not-allowed', 'not-allowed'],
    ['opened', 'internal-error'], // which no relay should say here
  ])('that is refused with %s says so to the user and to its owner', (status, failure) => {
    const { open, events, heard } = setUp();
    open();
    observer().onRefused?.(status);
    expect(events[1]).toMatchObject({
      type: 'refused',
      id: 1,
      target: TARGET,
      status,
      advice: adviceFor(TARGET, status),
    });
    expect(heard).toEqual([failure]);
  });

  it('says which message is too large', () => {
    const { open, events } = setUp();
    open();
    observer().onTooLarge?.(2000, 1300);
    expect(events[1]).toEqual({
      type: 'message-too-large',
      id: 1,
      target: TARGET,
      bytes: 2000,
      maxBytes: 1300,
    });
  });

  it('for which there is no stream is refused and over', () => {
    const { carrier, open, events, heard, state } = setUp({ hasPlace: false, hasContact: false });
    expect(open()).toBeUndefined();
    expect(events.slice(1)).toMatchObject([
      { type: 'refused', status: 'too-many-streams' },
      { ...CLOSED, bytesSent: 0, bytesReceived: 0, clean: false },
    ]);
    expect([heard, carrier.streams(), state.sought]).toEqual([['too-many-streams', 'ended'], [], 0]);
  });

  it('before first contact looks for the relay, and fails at the limit if somebody waits for it', async () => {
    const { open, events, heard, state, timers } = setUp({ hasContact: false });
    open();
    expect(state.sought).toBe(1);
    await timers.runTo(LIMIT_MS - 1);
    expect([events.length, heard]).toEqual([1, []]);
    await timers.runTo(LIMIT_MS);
    expect(events[1]).toEqual({ type: 'given-up', id: 1, target: TARGET, waitedMs: LIMIT_MS });
    expect([calls(), heard]).toEqual([[['flow.end']], ['relay-not-reached']]);
  });

  it('that is given up tells its owner so before it ends', async () => {
    const { open, events, heard, timers } = setUp({ hasContact: false });
    stage.answers['flow.end='] = () => observer().onEnd?.({ bytesSent: 0, bytesReceived: 0, clean: false });
    open();
    await timers.runTo(LIMIT_MS);
    expect(heard).toEqual(['relay-not-reached', 'ended']);
    expect(events.map(({ type }) => type)).toEqual(['stream-opened', 'given-up', 'stream-closed']);
  });

  it.each<[string, (parts: ReturnType<typeof setUp>) => void]>([
    ['nobody waits for it', () => undefined],
    ['the relay is reached', ({ carrier }) => carrier.onContact()],
    ['it ends', () => observer().onEnd?.({ bytesSent: 0, bytesReceived: 0, clean: false })],
    ['the client closes', ({ carrier }) => carrier.stopWaiting()],
  ])('before first contact is not given up any more if %s', async (why, act) => {
    const parts = setUp({ hasContact: false });
    parts.open(why === 'nobody waits for it' ? ({ onFailed: undefined } as never) : {});
    expect(parts.state.sought).toBe(1);
    act(parts);
    await parts.timers.runTo(2 * LIMIT_MS);
    expect(parts.events.map(({ type }) => type)).not.toContain('given-up');
    expect(parts.timers.pending).toBe(0);
  });
});

/** A socket that reports its listeners. */
function fakeSocket() {
  const listeners = new Map<string, (() => void)[]>();
  const socket = {
    writable: true,
    destroyed: false,
    on: (event: string, listener: () => void) => {
      listeners.set(event, [...(listeners.get(event) ?? []), listener]);
      return socket;
    },
    once: (event: string, listener: () => void): object => socket.on(event, listener),
    off: (): object => socket,
    removeListener: (): object => socket,
    pause: (): object => socket,
    resume: (): object => socket,
  };
  const emit = (event: string) => {
    for (const listener of listeners.get(event) ?? []) listener();
  };
  return { socket, listeners, emit };
}

describe('a socket that was accepted', () => {
  it('belongs to the carrier until it closes, and then gives its descriptor back', () => {
    const { carrier } = setUp();
    const { socket, emit } = fakeSocket();
    expect(carrier.admit(socket as never)).toBe(true);
    expect(carrier.connections).toBe(1);
    expect(calls()).toEqual([['descriptors.hasRoom']]);
    emit('close');
    expect([carrier.connections, calls()]).toEqual([0, [['descriptors.release']]]);
  });

  it('is reset when there are no descriptors left, and an error of it harms nobody', () => {
    const { carrier, warnings } = setUp();
    stage.answers['descriptors.hasRoom'] = false;
    const { socket, listeners } = fakeSocket();
    expect(carrier.admit(socket as never)).toBe(false);
    expect([carrier.connections, listeners.has('error'), listeners.has('close')]).toEqual([0, true, false]);
    expect(calls()).toEqual([['descriptors.hasRoom'], ['resetSocket', socket]]);
    optionsOf('descriptors').onShortage?.(5);
    expect(warnings).toEqual([
      {
        event: 'out-of-descriptors',
        refused: 5,
        text: expect.stringContaining('local connections are reset'),
      },
    ]);
  });
});

describe('a local connection', () => {
  const TCP = { host: 'localhost', port: 80 };
  function carry(parts: ReturnType<typeof setUp>) {
    const { socket, emit } = fakeSocket();
    let observed: ReturnType<typeof optionsOf> | undefined;
    let link: Link | undefined;
    const end = {
      socket,
      open: (_stream: unknown, given: Link) => {
        link = given;
        observed = given.observer as never;
      },
    };
    parts.carrier.carry(end as unknown as LocalEnd, TCP, () => 'here');
    return { emit, observed: () => observed, link: () => link };
  }

  it('that is refused says why, by the relay or because the target is forbidden', () => {
    const parts = setUp();
    const { observed } = carry(parts);
    observed()?.onRefused?.('name-not-found');
    observed()?.onForbidden?.();
    expect(parts.events.slice(1)).toMatchObject([
      {
        type: 'refused',
        id: 1,
        target: TCP,
        status: 'name-not-found',
        advice: adviceFor(TCP, 'name-not-found'),
      },
      { type: 'refused', id: 1, target: TCP, status: 'not-allowed', advice: forbiddenAdvice(TCP) },
    ]);
  });

  it('is carried through the tunnel of the client, and watched together with its visitors', () => {
    const parts = setUp();
    const link = carry(parts).link();
    expect(link?.tunnel).toBe(parts.tunnel);
    expect(link?.watch).toBe(parts.carrier.shared.watch);
  });

  it('starts when the relay permits one more stream', () => {
    const parts = setUp({ hasPlace: false });
    const { observed } = carry(parts);
    expect(observed()).toBeUndefined();
    parts.carrier.startWaiting();
    expect(observed()).toBeUndefined();
    parts.state.hasPlace = true;
    parts.carrier.startWaiting();
    expect(observed()).toBeDefined();
  });

  it('that says how it ended has its bytes counted', () => {
    const parts = setUp();
    const { observed } = carry(parts);
    const summary = { bytesSent: 5, bytesReceived: 6, clean: true };
    observed()?.onEnd?.(summary);
    expect(parts.events.at(-1)).toEqual({ type: 'stream-closed', id: 1, target: TCP, ...summary });
  });
});
