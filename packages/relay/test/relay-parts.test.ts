/** Follows what happens to a relay's peers through its parts: what each of them is told, and which events the program gets.
 *  The parts have tests of their own, so here the test plays them. */
import {
  CLIENT_GONE,
  OUT_OF_DESCRIPTORS,
  parseAllowRule,
  parseListenRule,
  type RateLimit,
  VISITOR_TIMEOUT_MS,
} from '@underpass/forward';
import {
  type ConnectionError,
  ConnectionErrorCode,
  type CryptoSuite,
  type Peer,
  type Stream,
} from '@underpass/protocol';
import { type DatagramSocket, type Log, silentLog } from '@underpass/runtime';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { RelayEvent, RelayInviteOptions, RelayOptions, RelayPeerOptions } from '../src/index.js';
import { RunningRelay, type WorkerRole } from '../src/running-relay.js';
import { SEND_ERROR_INTERVAL_MS } from '../src/send-error-pace.js';

type Call = (...parameters: unknown[]) => unknown;
/** What a part was made with. */
type Options = Readonly<Record<string, Call>> & { readonly observer: Readonly<Record<string, Call>> };

const stage = vi.hoisted(() => ({
  now: 1000,
  calls: [] as unknown[][],
  /** What the parts were made with, by their names, in the order in which they were made. */
  made: {} as Record<string, unknown[]>,
  answers: {} as Record<string, unknown>,
}));
const played = vi.hoisted(() => (name: string, values: object = {}) => {
  return class {
    constructor(options: unknown) {
      const all = stage.made[name] ?? [];
      stage.made[name] = [...all, options];
      const own =
        name === 'driver' || name === 'endpoint' || name === 'invitations' ? name : `${name}${all.length}`;
      // biome-ignore lint/correctness/noConstructorReturn: nothing else can have every method
      return new Proxy(this, {
        get: (_target, key) => {
          if (Object.hasOwn(values, key)) return Reflect.get(values, key);
          const call = `${own}.${String(key)}`;
          if (Object.hasOwn(stage.answers, `${call}=`)) return stage.answers[`${call}=`];
          return (...parameters: unknown[]) => {
            stage.calls.push([call, ...parameters]);
            const answer = stage.answers[call];
            return typeof answer === 'function' ? answer(...parameters) : answer;
          };
        },
      });
    }
  };
});

vi.mock('@underpass/runtime', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Driver: played('driver', { now: () => stage.now }),
  transportOver: () => ({}),
}));
vi.mock('@underpass/protocol', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Endpoint: played('endpoint'),
}));
vi.mock('@underpass/forward', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Acceptor: played('acceptor'),
  DescriptorGuard: played('guard'),
  PeerListeners: played('listeners'),
}));
vi.mock('../src/enrolment.js', () => ({ Invitations: played('invitations') }));

const ADDRESS = { address: '192.0.2.1', port: 5 };
const OTHER = { address: '192.0.2.2', port: 6 };
const HERE = { address: '::', port: 51820 };
const key = (seed: number) => new Uint8Array(32).fill(seed);
const laptop: RelayPeerOptions = { name: 'laptop', publicKey: key(2), presharedKey: key(3), allow: [] };

/** A peer as the endpoint knows it. */
interface FakePeer {
  readonly publicKey: Uint8Array;
  readonly presharedKey: Uint8Array | undefined;
  readonly state: { connected: boolean; openStreams: number; address: object | undefined };
}

function setUp(
  peers: readonly RelayPeerOptions[] = [laptop],
  more: Partial<RelayOptions> = {},
  role?: WorkerRole,
) {
  const events: RelayEvent[] = [];
  const known: FakePeer[] = [];
  stage.answers['endpoint.addPeer'] = ({ publicKey, presharedKey }: FakePeer) => {
    const state = { connected: false, openStreams: 0, address: ADDRESS as object | undefined };
    const peer = {
      publicKey,
      presharedKey,
      state,
      stats: () => state,
      hasPresharedKey: (other: unknown) => other === presharedKey,
      openStream: () => 'a stream of the relay',
    };
    known.push(peer);
    return peer;
  };
  const socket = { address: HERE, kind: 'plain', segments: true, coalesces: false, sendErrors: { EPERM: 1 } };
  const relay = new RunningRelay(
    { privateKey: key(1), log: silentLog, onEvent: (event) => events.push(event), ...more },
    socket as unknown as DatagramSocket,
    { name: 'portable' } as CryptoSuite,
    role,
  );
  relay.setPeers(peers);
  stage.calls.length = 0;
  return { relay, events, known, peer: known[0] as FakePeer };
}

const options = (name: string, index = 0) => stage.made[name]?.[index] as Options;
const fire = (event: string, ...parameters: unknown[]) =>
  (options('driver') as unknown as { handler: Record<string, Call> }).handler[event]?.(...parameters);
const calls = () => stage.calls.splice(0);
const error = (code: number, reason = '', by = 'peer') =>
  ({ code, reason, by }) as unknown as ConnectionError;
const stranger = { publicKey: key(99), stats: () => ({}) } as unknown as Peer;

beforeEach(() => {
  Object.assign(stage, { now: 1000, made: {} });
  stage.answers = {
    'endpoint.publicKey=': key(9),
    'endpoint.peers=': [],
    'endpoint.drops=': { replay: 5 },
    'invitations.accept': false,
    'listeners0.open=': [],
  };
  stage.calls.length = 0;
});

describe('what happens to a peer', () => {
  it.each<[string, unknown[], object]>([
    ['onConnected', [], { type: 'peer-connected', address: ADDRESS }],
    ['onMoved', [ADDRESS, OTHER], { type: 'moved', from: ADDRESS, to: OTHER }],
    ['onKeyShared', [[ADDRESS, OTHER]], { type: 'key-shared', addresses: [ADDRESS, OTHER] }],
    ['onWaiting', [400], { type: 'waiting', silentMs: 600 }],
    ['onResumed', [700], { type: 'resumed', silentMs: 700 }],
    ['onPathFragments', [1452], { type: 'path-fragments', datagramBytes: 1452 }],
    ['onClockBehind', [5, 6], { type: 'clock-behind', clockMs: 5, earlierClockMs: 6 }],
    ['onDisconnected', [error(3, 'lost'), 2], { type: 'peer-disconnected', reason: 'lost', lostStreams: 2 }],
  ])('is an event under its name: %s', (name, parameters, event) => {
    const { events, peer } = setUp();
    fire(name, peer, ...parameters);
    expect(events).toEqual([{ ...event, peer: 'laptop' }]);
    // A peer that has left the config, or has a successor with its key, has no name any more.
    fire(name, stranger, ...parameters);
    fire(name, { ...peer }, ...parameters);
    expect(events).toHaveLength(1);
  });

  it.each([
    ['the client was restarted', error(ConnectionErrorCode.peerRestarted, 'epoch')],
    ['the client was stopped', error(ConnectionErrorCode.none, 'bye')],
    ['bye', error(ConnectionErrorCode.none, 'bye', 'local')],
    [`code ${ConnectionErrorCode.removed}`, error(ConnectionErrorCode.removed)],
  ])('says why it ended: %s', (reason, ended) => {
    const { events, peer } = setUp();
    fire('onDisconnected', peer, ended, 0);
    expect(events).toMatchObject([{ reason }]);
  });

  it('may be that a stranger has a key, or that the system does not send, which is reported now and then', () => {
    const { events } = setUp();
    fire('onUnknownKey', key(7), ADDRESS);
    fire('onSendError', ADDRESS, 'EPERM');
    fire('onSendError', ADDRESS, 'EPERM');
    stage.now += SEND_ERROR_INTERVAL_MS;
    fire('onSendError', OTHER, 'EPERM');
    expect(events).toEqual([
      { type: 'unknown-key', publicKey: key(7), address: ADDRESS },
      { type: 'cannot-send', address: ADDRESS, code: 'EPERM' },
      { type: 'cannot-send', address: OTHER, code: 'EPERM' },
    ]);
  });
});

/** A relay whose peer has opened a stream and asked to listen. */
function listening(rules: Partial<RelayPeerOptions> = {}) {
  const parts = setUp([{ ...laptop, ...rules }]);
  fire('onStream', parts.peer, 'a stream');
  options('acceptor').listen?.('request', 'incoming');
  stage.calls.length = 0;
  return parts;
}

describe('the streams of a peer', () => {
  it('go to its acceptor, unless they are those of somebody who enrols', () => {
    const { peer } = setUp();
    fire('onStream', peer, 'first' as unknown as Stream);
    fire('onStream', peer, 'second' as unknown as Stream);
    expect(calls()).toEqual([
      ['invitations.accept', peer, 'first'],
      ['acceptor0.accept', 'first'],
      ['invitations.accept', peer, 'second'],
      ['acceptor0.accept', 'second'],
    ]);
    stage.answers['invitations.accept'] = true;
    fire('onStream', peer, 'third');
    fire('onConnected', peer);
    expect(calls()).toEqual([
      ['invitations.accept', peer, 'third'],
      ['invitations.onConnected', peer],
    ]);
  });

  it('that it may open again go to the visitors who wait', () => {
    const { peer } = listening();
    fire('onStreamsAvailable', peer);
    fire('onStreamsAvailable', stranger);
    expect(calls()).toEqual([['listeners0.startWaiting']]);
    expect(options('listeners').openStream?.()).toBe('a stream of the relay');
  });

  it('may be probes, which learn what the relay knows about the peer', () => {
    const { peer } = listening();
    Object.assign(peer.state, { packetsSent: 7, packetsLost: 2 });
    const report = () => options('acceptor').probeReport?.();
    expect(report()).toMatchObject({
      name: 'laptop',
      address: '192.0.2.1:5',
      packetsSent: 7,
      packetsLost: 2,
    });
    peer.state.address = undefined;
    expect(report()).toMatchObject({ address: '' });
  });

  it('serve several requests to listen by one part', () => {
    listening();
    options('acceptor').listen?.('again', 'incoming');
    expect([stage.made.listeners?.length, calls()]).toEqual([1, [['listeners0.serve', 'again', 'incoming']]]);
  });

  it('are listed while their targets are connected, and each change is an event', () => {
    const { relay, events } = listening();
    const target = { host: 'localhost', port: 80 };
    const { observer } = options('acceptor');
    observer.onOpened?.(4, target, '127.0.0.1');
    observer.onTooLarge?.(4, target, 2000, 1300);
    const streams = () => relay.status().peers[0]?.streams;
    expect(streams()).toEqual([{ id: 4, target, address: '127.0.0.1', openedAt: 1000 }]);
    observer.onForbidden?.(4, target, 'the rules changed');
    observer.onEnd?.(4, target, { bytesSent: 1, bytesReceived: 2, clean: true });
    observer.onRefused?.(8, target, 'not-allowed', 'no rule permits it');
    observer.onRefused?.(12, undefined, 'malformed-request', 'it is no request');
    observer.onListenRefused?.(16, { bind: 'localhost', port: 80 }, 'not-allowed', 'no rule permits it');
    expect(streams()).toEqual([]);
    const of = { peer: 'laptop', id: 4, target };
    expect(events).toEqual([
      { type: 'stream-opened', ...of, address: '127.0.0.1' },
      { type: 'message-too-large', ...of, bytes: 2000, maxBytes: 1300 },
      {
        type: 'stream-forbidden',
        ...of,
        advice: 'laptop lost its connection to localhost:80: the rules changed',
      },
      { type: 'stream-closed', ...of, bytesSent: 1, bytesReceived: 2, clean: true },
      {
        type: 'refused',
        ...of,
        id: 8,
        status: 'not-allowed',
        advice: 'laptop asked for localhost:80: no rule permits it',
      },
      {
        type: 'refused',
        peer: 'laptop',
        id: 12,
        target: undefined,
        status: 'malformed-request',
        advice: 'laptop asked for a stream: it is no request',
      },
      {
        type: 'listen-refused',
        peer: 'laptop',
        listener: 'localhost:80',
        status: 'not-allowed',
        advice: 'laptop asked to listen on localhost:80: no rule permits it',
      },
    ]);
  });
});

describe('the listeners of a peer', () => {
  const listener = { place: { bind: 'localhost', port: 8080 }, addresses: [OTHER], visitors: 3 };

  it('are listed, and each change is an event', () => {
    const { relay, events } = listening();
    stage.answers['listeners0.open='] = [listener];
    expect(relay.status().peers[0]?.listeners).toEqual([
      { listener: 'localhost:8080', addresses: [OTHER], visitors: 3 },
    ]);
    const { observer } = options('listeners');
    observer.onListening?.(listener);
    observer.onVisitor?.(listener, 7, ADDRESS);
    observer.onVisitorEnd?.(listener, 7, ADDRESS, { bytesSent: 1, bytesReceived: 2, clean: false });
    observer.onVisitorRefused?.(listener, 9, ADDRESS, 'timed-out', 'nobody answered');
    observer.onListenerEnd?.(listener, 'the rules changed');
    const of = { peer: 'laptop', listener: 'localhost:8080' };
    expect(events).toEqual([
      { type: 'listener-opened', ...of, addresses: [OTHER] },
      { type: 'visitor-opened', ...of, id: 7, from: ADDRESS },
      { type: 'visitor-closed', ...of, id: 7, from: ADDRESS, bytesSent: 1, bytesReceived: 2, clean: false },
      {
        type: 'visitor-refused',
        ...of,
        id: 9,
        from: ADDRESS,
        status: 'timed-out',
        advice: 'a visitor of localhost:8080 was reset: nobody answered',
      },
      { type: 'listener-closed', ...of, reason: 'the rules changed' },
    ]);
  });

  it('that end with a connection are none of the connections that were lost with it, once', () => {
    const { events, peer } = listening();
    const { observer } = options('listeners');
    observer.onListenerEnd?.(listener, CLIENT_GONE);
    observer.onListenerEnd?.(listener, 'the rules changed');
    fire('onDisconnected', peer, error(3, 'lost'), 5);
    fire('onDisconnected', peer, error(3, 'lost'), 5);
    expect(events.filter(({ type }) => type === 'peer-disconnected')).toMatchObject([
      { lostStreams: 4 },
      { lostStreams: 5 },
    ]);
  });

  it.each<[string, (peer: FakePeer) => void]>([
    ['answers', (peer) => fire('onResumed', peer, 5)],
    ['connects again', (peer) => fire('onConnected', peer)],
    ['is disconnected', (peer) => fire('onDisconnected', peer, error(3), 0)],
  ])('reset visitors of a peer that has been silent too long, until it %s (spec reverse 6)', (_how, act) => {
    const { peer } = listening();
    const isAway = () => options('listeners').isAway?.();
    expect(isAway()).toBe(false);
    fire('onWaiting', peer, 1000);
    stage.now = 1000 + VISITOR_TIMEOUT_MS - 1;
    expect(isAway()).toBe(false);
    stage.now++;
    expect(isAway()).toBe(true);
    act(peer);
    expect(isAway()).toBe(false);
  });

  it('hold their port against other peers', () => {
    const { known } = setUp([{ name: 'idle', publicKey: key(4), allow: [] }, laptop]);
    fire('onStream', known[1], 'a stream');
    options('acceptor').listen?.('request', 'incoming');
    stage.answers['listeners0.open='] = [listener];
    const { holderOf } = options('listeners') as unknown as { holderOf: Call };
    expect([holderOf(8080), holderOf(8081)]).toEqual(['laptop', undefined]);
  });
});

function parsed<T extends object>(rule: T | { readonly reason: string }): T {
  if ('reason' in rule) throw new Error(String(rule.reason));
  return rule as T;
}

describe('new lists of peers', () => {
  it('leave a peer that stays alone, and apply its new rules at once', () => {
    const { relay, peer, events } = listening();
    const allow = [parsed(parseAllowRule('localhost:80'))];
    const allowListen = [parsed(parseListenRule('8080'))];
    relay.setPeers([{ ...laptop, name: 'notebook', allow, allowListen }]);
    expect(calls()).toEqual([
      ['acceptor0.onRulesChanged'],
      ['listeners0.onRulesChanged'],
      ['invitations.set', []],
      ['driver.wake'],
    ]);
    expect([options('acceptor').rules?.(), options('listeners').rules?.()]).toEqual([allow, allowListen]);
    fire('onConnected', peer);
    expect(events).toMatchObject([{ peer: 'notebook' }]);
    expect(relay.status().peers).toMatchObject([
      { name: 'notebook', allow: ['localhost:80'], allowListen: ['8080'] },
    ]);
  });

  it('change nothing if an invite has the key of a peer', () => {
    const { relay } = setUp();
    const invite = { name: 'other', publicKey: laptop.publicKey } as unknown as RelayInviteOptions;
    expect(() => relay.setPeers([laptop], [invite])).toThrow('has the same public key as laptop');
    expect(calls()).toEqual([]);
  });

  it('apply a new rate to everything of the peer, in both directions (spec forwarding 4.8)', () => {
    const { relay } = listening();
    const { limit } = options('acceptor') as unknown as { limit: RateLimit };
    expect(options('listeners')).toMatchObject({ limit });
    const carries = () =>
      [limit.toPeer, limit.fromPeer].map((way) => [way.takeMessage(1e9), way.takeMessage(1)]);
    const allOf = [true, true];
    expect(carries()).toEqual([allOf, allOf]);
    relay.setPeers([{ ...laptop, maxRate: { text: '1 kB/s', bytesPerSecond: 1000 } }]);
    const one = [true, false];
    expect(carries()).toEqual([one, one]);
    relay.setPeers([laptop]);
    expect(carries()).toEqual([allOf, allOf]);
  });

  it('find the rate of a peer that has opened nothing yet', () => {
    const { peer } = setUp([{ ...laptop, maxRate: { text: '1 kB/s', bytesPerSecond: 1000 } }]);
    fire('onStream', peer, 'a stream');
    const { limit } = options('acceptor') as unknown as { limit: RateLimit };
    expect([limit.toPeer.takeMessage(201), limit.toPeer.takeMessage(1)]).toEqual([true, false]);
  });

  it.each<[string, readonly RelayPeerOptions[], string, number]>([
    ['is not in them', [], 'removed from the config', 0],
    [
      'has another preshared key in them',
      [{ ...laptop, presharedKey: key(4) }],
      'its preshared key changed in the config',
      1,
    ],
  ])('end the connection of a peer that %s', (_what, list, reason, left) => {
    const { relay, peer, events, known } = listening();
    stage.answers['listeners0.open='] = [
      { place: { bind: 'localhost', port: 1 }, addresses: [], visitors: 0 },
    ];
    Object.assign(peer.state, { connected: true, openStreams: 3 });
    relay.setPeers(list);
    const seen = calls();
    expect(seen.slice(0, 3)).toEqual([
      ['endpoint.removePeer', 1000, peer, reason],
      ['acceptor0.close'],
      ['listeners0.close', reason],
    ]);
    expect(seen.at(-1)).toEqual(['driver.wake']);
    expect(events).toEqual([{ type: 'peer-disconnected', peer: 'laptop', reason, lostStreams: 2 }]);
    expect([known.length, relay.status().peers.length]).toEqual([1 + left, left]);
    fire('onConnected', peer);
    expect(events).toHaveLength(1);
  });

  it('say nothing of a peer that was not connected', () => {
    const { relay, events } = setUp();
    relay.setPeers([]);
    expect(events).toEqual([]);
  });

  it('are not taken by a relay that closes', async () => {
    const { relay, known } = setUp();
    const closing = relay.close();
    expect(relay.close()).toBe(closing);
    await closing;
    relay.setPeers([]);
    relay.addPeer({ ...laptop, publicKey: key(5) });
    expect([relay.status().peers.length, known.length]).toEqual([1, 1]);
  });
});

describe('a relay', () => {
  it('closes its driver first, and then what its peers have open', async () => {
    const { relay } = listening();
    stage.answers['driver.close'] = async () => {
      await new Promise(setImmediate);
      stage.calls.push(['driver is closed']);
    };
    stage.answers['acceptor0.close'] = async () => {
      await new Promise(setImmediate);
      stage.calls.push(['acceptor is closed']);
    };
    await relay.close();
    expect(calls()).toEqual([
      ['driver.close'],
      ['driver is closed'],
      ['acceptor0.close'],
      ['listeners0.close', 'the relay stops'],
      ['acceptor is closed'],
    ]);
  });

  it('warns when requests are refused because the system gives it no more files', () => {
    const lines: unknown[] = [];
    const log: Log = { ...silentLog, warn: (fields, text) => lines.push([fields, text]) };
    setUp([laptop], { log });
    options('guard').onShortage?.(3);
    expect(lines).toEqual([
      [{ event: 'out-of-descriptors', refused: 3 }, `${OUT_OF_DESCRIPTORS}; requests are refused`],
    ]);
    expect(options('guard').now?.()).toBe(stage.now);
  });

  it('hands its parts what they are told from outside', () => {
    const onFatal = () => undefined;
    const ownSockets = () => ['/run/control.sock'];
    const { peer } = setUp([laptop], { onFatal, ownSockets });
    fire('onStream', peer, 'a stream');
    expect(options('driver')).toMatchObject({ onFatal });
    expect(options('acceptor')).toMatchObject({ ownSockets });
  });

  it('as one of several processes serves its shard, and has the others do the rest', async () => {
    const role: WorkerRole = {
      shard: { index: 1, count: 2 },
      socket: { fd: 4, family: 'udp6' },
      passOn: () => undefined,
      enrol: async () => ({ status: 'not-allowed' }),
    };
    const { relay } = setUp([laptop], {}, role);
    expect(options('endpoint')).toMatchObject({ shard: role.shard });
    expect(options('driver')).toMatchObject({ passOn: role.passOn });
    expect(options('invitations')).toMatchObject({ enrol: role.enrol });
    const datagram = new Uint8Array(3);
    relay.handlePassedOn(datagram, ADDRESS);
    expect(calls()).toEqual([['driver.handlePassedOn', datagram, ADDRESS]]);
  });

  it('adds a peer once', () => {
    const { relay, known } = setUp();
    const phone = { ...laptop, name: 'phone', publicKey: key(5) };
    relay.addPeer(phone);
    relay.addPeer({ ...phone, name: 'other' });
    expect(known).toHaveLength(2);
    expect(relay.status().peers.map(({ name }) => name)).toEqual(['laptop', 'phone']);
  });

  it('keeps no preshared key but the one of its endpoint', () => {
    const { relay, known } = setUp();
    expect(known[0]?.presharedKey).toBe(laptop.presharedKey);
    expect([...relay.members].map((member) => 'presharedKey' in member.options)).toEqual([false]);
  });

  it('says how it is', () => {
    const { relay, peer } = setUp();
    expect(relay.status()).toEqual({
      address: HERE,
      suite: 'portable',
      socket: 'plain',
      segments: true,
      coalesces: false,
      drops: { replay: 5 },
      sendErrors: { EPERM: 1 },
      peers: [
        {
          name: 'laptop',
          publicKey: peer.publicKey,
          allow: [],
          allowListen: [],
          stats: peer.state,
          streams: [],
          listeners: [],
        },
      ],
    });
  });
});
