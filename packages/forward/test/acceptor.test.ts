import { once } from 'node:events';
import { StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { Acceptor } from '../src/acceptor.js';
import { DescriptorGuard, OUT_OF_DESCRIPTORS } from '../src/descriptor-guard.js';
import type { ConnectTcp } from '../src/dialer.js';
import {
  DIAL_TIMEOUT_MS,
  DIALS_PER_SECOND,
  MAX_CONNECTIONS,
  MAX_DIALS_PER_PEER,
  RESERVED_DESCRIPTORS,
  SLOW_LOOKUP_MS,
} from '../src/forward-constants.js';
import { LookupQueue, type NameResolver } from '../src/lookup-queue.js';
import { encodeRequest, encodeStatus, MAX_REQUEST_BYTES, type RequestStatus } from '../src/request.js';
import type { RelayPlace } from '../src/reverse/listen-rules.js';
import { SocketWatch } from '../src/socket-watch.js';
import { FakeConnects } from './fake-connects.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { rules } from './rules.js';
import { howItEnds, readAll, socketPair } from './sockets.js';

interface Setup {
  readonly allow?: readonly string[];
  readonly resolve?: NameResolver;
  readonly connectTcp?: ConnectTcp;
  readonly hasDescriptors?: () => boolean;
  readonly ownAddresses?: () => readonly string[];
}

/** Every call to the observer, in order. */
type Heard =
  | { readonly opened: number; readonly address: string }
  | { readonly refused: number; readonly status: RequestStatus; readonly advice: string }
  | { readonly listenRefused: number; readonly place: RelayPlace }
  | { readonly forbidden: number; readonly advice: string }
  | { readonly ended: number; readonly clean: boolean };

function setUp(setup: Setup = {}) {
  const timers = new FakeTimers();
  const connects = new FakeConnects();
  const handlers = new Map<FakeStream, StreamHandler>();
  const heard: Heard[] = [];
  const resolved: string[] = [];
  let allow = rules(...(setup.allow ?? []));
  let streams = 0;
  let warnings = 0;
  const acceptor = new Acceptor({
    tunnel: {
      attach: (stream, handler) => handlers.set(stream as FakeStream, handler),
      wake: () => undefined,
    },
    lookups: new LookupQueue((name) => {
      resolved.push(name);
      return setup.resolve?.(name) ?? new Promise(() => undefined);
    }, timers),
    rules: () => allow,
    probeReport: () => ({ clockMs: 0, packetsSent: 0, packetsLost: 0, address: '', name: '' }),
    observer: {
      onOpened: (opened, _target, address) => heard.push({ opened, address }),
      onRefused: (refused, _target, status, advice) => heard.push({ refused, status, advice }),
      onListenRefused: (listenRefused, place) => heard.push({ listenRefused, place }),
      onTooLarge: () => {},
      onForbidden: (forbidden, _target, advice) => heard.push({ forbidden, advice }),
      onEnd: (ended, _target, { clean }) => heard.push({ ended, clean }),
    },
    ownAddresses: setup.ownAddresses ?? (() => []),
    watch: new SocketWatch(timers),
    descriptors: new DescriptorGuard({
      onShortage: () => {
        warnings++;
      },
      now: timers.now,
      canOpen: () => setup.hasDescriptors?.() ?? true,
    }),
    connectTcp: setup.connectTcp ?? connects.connectTcp,
    timers,
    now: timers.now,
  });
  const accept = (...bytes: readonly (Uint8Array | string)[]) => {
    const stream = new FakeStream(2 * streams++);
    for (const chunk of bytes) stream.arrive(chunk);
    acceptor.accept(stream);
    return {
      stream,
      handler: handlers.get(stream) as StreamHandler,
      arrive: (chunk: Uint8Array | string) => {
        stream.arrive(chunk);
        handlers.get(stream)?.onReadable?.();
      },
    };
  };
  const setRules = (...texts: readonly string[]) => {
    allow = rules(...texts);
    acceptor.onRulesChanged();
  };
  return { acceptor, accept, setRules, timers, connects, heard, resolved, warnings: () => warnings };
}

function request(host: string, port = 80): Uint8Array {
  return encodeRequest({ kind: 'tcp', host, port });
}

/** The status that the peer received, if the refusal follows spec forwarding 2.6. */
function refusalOf(stream: FakeStream): number | undefined {
  const isWhole =
    stream.written.length === 1 && stream.finished && stream.stopCode === StreamErrorCode.refused;
  return isWhole ? stream.written[0] : undefined;
}

const byteOf = (status: RequestStatus): number => encodeStatus(status)[0] as number;
/** Resolves when everything that a resolution causes has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a request', () => {
  it('reports a listen request that is refused as one, and not as a connection (spec reverse 2)', () => {
    const { accept, heard } = setUp({ allow: ['*:80'] });
    accept(encodeRequest({ kind: 'listen', bind: 'localhost', port: 8080 }));
    expect(heard).toMatchObject([{ listenRefused: 0, place: { bind: 'localhost', port: 8080 } }]);
  });

  it('that the rules allow is connected and gets the status opened', async () => {
    const { ours, theirs } = await socketPair();
    const { accept, heard, acceptor } = setUp({
      allow: ['192.0.43.8:80'],
      connectTcp: () => {
        process.nextTick(() => ours.emit('connect'));
        return ours;
      },
    });
    const { stream, arrive, handler } = accept(request('192.0.43.8'), 'and the first bytes');
    await settled();
    expect([...stream.written]).toEqual([byteOf('opened')]);
    expect([acceptor.underWay, acceptor.connections]).toEqual([0, 1]);
    arrive(', and more');
    stream.arriveFin();
    handler.onReadable?.();
    expect(String(await readAll(theirs))).toBe('and the first bytes, and more');
    theirs.end('answer');
    await stream.until(() => stream.finished);
    expect(String(stream.written.subarray(1))).toBe('answer');
    await once(ours, 'close');
    expect(heard).toEqual([
      { opened: 0, address: '192.0.43.8' },
      { ended: 0, clean: true },
    ]);
    expect(acceptor.connections).toBe(0);
  });

  it('may arrive byte by byte, and the bytes after it reach the target (spec forwarding 2.3: "MUST reach it")', async () => {
    const { ours, theirs } = await socketPair();
    const { accept } = setUp({
      allow: ['192.0.43.8:80'],
      connectTcp: () => {
        process.nextTick(() => ours.emit('connect'));
        return ours;
      },
    });
    const { stream, arrive, handler } = accept();
    for (const byte of request('192.0.43.8')) arrive(Uint8Array.of(byte));
    arrive('data at once');
    stream.arriveFin();
    await settled();
    handler.onReadable?.();
    expect(String(await readAll(theirs))).toBe('data at once');
  });

  it('may be there in several pieces before anyone reads', async () => {
    const { ours, theirs } = await socketPair();
    const { accept } = setUp({
      allow: ['192.0.43.8:80'],
      connectTcp: () => {
        process.nextTick(() => ours.emit('connect'));
        return ours;
      },
    });
    const bytes = request('192.0.43.8');
    const { stream, handler } = accept(bytes.subarray(0, 3), bytes.subarray(3, 9), bytes.subarray(9), 'data');
    stream.arriveFin();
    await settled();
    expect(stream.written[0]).toBe(byteOf('opened'));
    handler.onReadable?.();
    expect(String(await readAll(theirs))).toBe('data');
  });

  it('that is incomplete after 10 s is refused (spec forwarding 2.3: "MUST refuse a request that is not complete")', () => {
    const { accept, timers, heard, acceptor } = setUp();
    const { stream, arrive } = accept(request('192.0.43.8').subarray(0, 5));
    timers.advance(9_999);
    expect(refusalOf(stream)).toBeUndefined();
    timers.advance(1);
    expect(refusalOf(stream)).toBe(byteOf('malformed-request'));
    expect(heard).toEqual([
      { refused: 0, status: 'malformed-request', advice: 'the request was not complete within 10 s' },
    ]);
    arrive('too late');
    expect([acceptor.underWay, timers.pending, heard.length]).toEqual([0, 0, 1]);
  });

  it.each([
    ['of an unknown kind', Uint8Array.of(0xff)],
    ['with an empty host', Uint8Array.of(1, 0, 0, 80)],
    ['with a space in the host', Uint8Array.of(1, 1, 0x20, 0, 80)],
    ['for port 0', Uint8Array.of(1, 1, 0x61, 0, 0)],
    ['of nothing but noise', new Uint8Array(512).fill(0xff)],
  ])('%s is malformed (spec forwarding 2.3)', (_what, bytes) => {
    const { accept, connects } = setUp({ allow: ['*:*'] });
    expect(refusalOf(accept(bytes).stream)).toBe(byteOf('malformed-request'));
    expect(connects.made).toEqual([]);
  });

  it('is at most 259 bytes long (spec forwarding 2.3)', () => {
    expect(MAX_REQUEST_BYTES).toBe(259);
  });

  it('that ends before it is complete is malformed (spec forwarding 2.3)', () => {
    const { accept } = setUp();
    const { stream, handler } = accept(request('192.0.43.8').subarray(0, 5));
    stream.arriveFin();
    handler.onReadable?.();
    expect(refusalOf(stream)).toBe(byteOf('malformed-request'));
  });

  it('that no rule allows touches neither DNS nor network (spec forwarding 2.6)', () => {
    const { accept, connects, heard, resolved } = setUp({ allow: ['example.com:443', '10.0.0.0/8:443'] });
    for (const target of ['example.com', '10.1.2.3', '127.0.0.1', 'other.example', 'localhost']) {
      expect(refusalOf(accept(request(target)).stream)).toBe(byteOf('not-allowed'));
    }
    expect([connects.made, resolved]).toEqual([[], []]);
    expect(heard[0]).toMatchObject({
      advice: 'no rule allows example.com:80; to allow it, add the rule example.com:80',
    });
  });

  it('is judged by the rules in force when it arrives (spec forwarding 3.2)', () => {
    const { accept, connects, setRules } = setUp({ allow: ['192.0.43.8:80'] });
    accept(request('192.0.43.8'));
    setRules();
    expect(refusalOf(accept(request('192.0.43.8')).stream)).toBe(byteOf('not-allowed'));
    expect(connects.made).toHaveLength(1);
  });
});

describe('a name', () => {
  it('is resolved once, and the relay connects only to permitted addresses (spec forwarding 2.4: "only to an address that it has checked"; spec forwarding 3.4: "to an address that is not permitted")', async () => {
    const { accept, connects, resolved, heard } = setUp({
      allow: ['example.com:80'],
      resolve: async () => [
        '10.0.0.1',
        '127.0.0.1',
        '::ffff:169.254.169.254',
        '192.0.43.8',
        '2001:500:8f::53',
      ],
    });
    const { stream } = accept(request('Example.COM.'));
    await settled();
    connects.fail('ECONNREFUSED');
    connects.fail('ENETUNREACH');
    expect(resolved).toEqual(['example.com']);
    expect(connects.made).toEqual(['2001:500:8f::53 80', '192.0.43.8 80']);
    expect(refusalOf(stream)).toBe(byteOf('connection-refused'));
    expect(heard).toHaveLength(1);
  });

  it('never leads to a metadata address, even if a network that holds it is allowed (spec forwarding 3.5)', async () => {
    const { accept, connects } = setUp({
      allow: ['*:80', '169.254.0.0/16:80', '[64:ff9b::/96]:80', '[fc00::/7]:80'],
      resolve: async () => [
        '169.254.169.254',
        'fd00:ec2::254',
        '::ffff:169.254.169.254',
        '64:ff9b::a9fe:a9fe',
      ],
    });
    for (const host of ['rebound.example', '169.254.169.254', '64:ff9b::a9fe:a9fe']) {
      const { stream } = accept(request(host));
      await settled();
      expect(refusalOf(stream)).toBe(byteOf('not-allowed'));
    }
    expect(connects.made).toEqual([]);
  });

  it('that resolves only to a private address is refused, with the rule that would allow it (spec forwarding 3.4)', async () => {
    const { accept, connects, heard } = setUp({
      allow: ['*.example.com:80'],
      resolve: async () => ['192.168.1.1'],
    });
    const { stream } = accept(request('www.example.com'));
    await settled();
    expect(refusalOf(stream)).toBe(byteOf('not-allowed'));
    expect(connects.made).toEqual([]);
    expect(heard).toEqual([
      {
        refused: 0,
        status: 'not-allowed',
        advice:
          'www.example.com resolves to 192.168.1.1, which is a private address and needs an address rule within that block; to allow it, add the rule 192.168.1.1:80',
      },
    ]);
  });

  it("that resolves to one of the relay's own addresses is refused", async () => {
    const { accept } = setUp({
      allow: ['example.com:80'],
      resolve: async () => ['192.0.43.8'],
      ownAddresses: () => ['192.0.43.8'],
    });
    const { stream } = accept(request('example.com'));
    await settled();
    expect(refusalOf(stream)).toBe(byteOf('not-allowed'));
  });

  it.each<[string, NameResolver]>([
    ['does not exist', () => Promise.reject(new Error('ENOTFOUND'))],
    ['has no address', async () => []],
  ])('that %s is not found (spec forwarding 2.4)', async (_what, resolve) => {
    const { accept } = setUp({ allow: ['example.com:80'], resolve });
    const { stream } = accept(request('example.com'));
    await settled();
    expect(refusalOf(stream)).toBe(byteOf('name-not-found'));
  });

  it('that does not resolve within 10 s times out (spec forwarding 2.4)', () => {
    const { accept, timers, acceptor } = setUp({ allow: ['example.com:80'] });
    const { stream } = accept(request('example.com'));
    timers.advance(DIAL_TIMEOUT_MS - 1);
    expect(refusalOf(stream)).toBeUndefined();
    timers.advance(1);
    expect(refusalOf(stream)).toBe(byteOf('timed-out'));
    expect([acceptor.underWay, timers.pending]).toEqual([0, 0]);
  });

  it('leaves the rest of the 10 s for connecting (spec forwarding 2.4: "MUST end within 10 s")', async () => {
    let answer: ((addresses: string[]) => void) | undefined;
    const { accept, timers, connects } = setUp({
      allow: ['example.com:80'],
      resolve: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    });
    const { stream } = accept(request('example.com'));
    timers.advance(8_000);
    answer?.(['192.0.43.8']);
    await settled();
    expect(connects.made).toHaveLength(1);
    timers.advance(1_999);
    expect(refusalOf(stream)).toBeUndefined();
    timers.advance(1);
    expect(refusalOf(stream)).toBe(byteOf('timed-out'));
  });

  it('with a dead address family costs 250 ms once: the next request tries the other family first (spec forwarding 2.4)', async () => {
    const { ours } = await socketPair();
    const connects = new FakeConnects();
    const { accept, timers } = setUp({
      allow: ['example.com:80'],
      resolve: async () => ['2001:500:8f::53', '2001:500:8f::54', '192.0.43.8'],
      connectTcp: (address, port) => {
        const socket = connects.connectTcp(address, port);
        return address === '192.0.43.8' ? ours : socket;
      },
    });
    accept(request('example.com'));
    await settled();
    timers.advance(250);
    expect(connects.made).toEqual(['2001:500:8f::53 80', '192.0.43.8 80']);
    ours.emit('connect');
    accept(request('example.com'));
    await settled();
    expect(connects.made.slice(2)).toEqual(['192.0.43.8 80']);
  });

  it('with thousands of addresses has only a few judged, and reads the own addresses once (spec forwarding 2.4: "MUST ignore the rest")', async () => {
    let reads = 0;
    const { accept, connects } = setUp({
      allow: ['example.com:80'],
      resolve: async () =>
        Array.from({ length: 4000 }, (_, index) => `192.0.${43 + (index >> 8)}.${index & 255}`),
      ownAddresses: () => {
        reads++;
        return [];
      },
    });
    accept(request('example.com'));
    await settled();
    expect([connects.made, reads]).toEqual([['192.0.43.0 80'], 1]);
  });

  it('with many addresses is dialled at six of them (spec forwarding 2.4)', async () => {
    const { accept, connects } = setUp({
      allow: ['example.com:80'],
      resolve: async () => Array.from({ length: 20 }, (_, index) => `192.0.43.${index}`),
    });
    const { stream } = accept(request('example.com'));
    await settled();
    for (let i = 0; i < 6; i++) connects.fail('ECONNREFUSED');
    expect(connects.made).toHaveLength(6);
    expect(refusalOf(stream)).toBe(byteOf('connection-refused'));
  });
});

describe('a relay without file descriptors', () => {
  const NONE = { hasDescriptors: () => false };
  const refusal = [{ refused: 0, status: 'internal-error', advice: OUT_OF_DESCRIPTORS }];

  it('refuses with an internal error and touches neither DNS nor network (spec forwarding 2.7)', () => {
    const { accept, heard, resolved, connects, warnings } = setUp({ ...NONE, allow: ['*:80'] });
    expect(refusalOf(accept(request('example.com')).stream)).toBe(byteOf('internal-error'));
    expect([heard, resolved, connects.made, warnings()]).toEqual([refusal, [], [], 1]);
    accept(request('192.0.43.8'));
    expect(warnings()).toBe(1);
  });

  it.each([
    ['EMFILE', true],
    ['ENFILE', true],
    ['ENOTFOUND', false],
  ])(
    'does not report %s from the resolver as a name that does not exist (spec forwarding 2.7)',
    async (code, mayOpen) => {
      let canOpen = true;
      const { accept, heard } = setUp({
        allow: ['*:80'],
        hasDescriptors: () => canOpen,
        resolve: () => {
          canOpen = mayOpen;
          return Promise.reject(Object.assign(new Error(code), { code }));
        },
      });
      // The guard has descriptors for a few requests before it looks again.
      for (let i = 0; i < RESERVED_DESCRIPTORS / 2; i++) accept(request('192.0.43.8'));
      accept(request('example.com'));
      await settled();
      expect(heard).toMatchObject([{ status: 'internal-error', advice: OUT_OF_DESCRIPTORS }]);
    },
  );

  it('reports a shortage that began while it dialled (spec forwarding 2.7)', () => {
    let canOpen = true;
    const { accept, heard, connects } = setUp({ allow: ['*:80'], hasDescriptors: () => canOpen });
    for (let i = 0; i < RESERVED_DESCRIPTORS / 2 + 1; i++) accept(request('192.0.43.8'));
    canOpen = false;
    connects.fail('EMFILE');
    expect(heard).toMatchObject([{ status: 'internal-error', advice: OUT_OF_DESCRIPTORS }]);
  });
});

describe('a peer that', () => {
  it('waits for a dead target can reach others meanwhile, and waits at most 10 s (spec forwarding 2.5)', () => {
    const { accept, acceptor, connects, heard, timers } = setUp({ allow: ['192.0.43.8:*'] });
    const count = MAX_DIALS_PER_PEER;
    for (let i = 0; i < count; i++) accept(request('192.0.43.8'));
    expect([acceptor.underWay, connects.made.length, heard]).toEqual([count, count / 2, []]);
    accept(request('192.0.43.8', 81));
    expect(connects.made.at(-1)).toBe('192.0.43.8 81');
    timers.advance(DIAL_TIMEOUT_MS);
    expect(heard.map((event) => 'status' in event && event.status)).toEqual(
      Array(count + 1).fill('timed-out'),
    );
    const noTurn = '192.0.43.8:80 was not dialled within 10 s: too many connections are waiting';
    expect(heard.filter((event) => 'advice' in event && event.advice === noTurn)).toHaveLength(count / 2);
    expect([acceptor.underWay, timers.pending]).toEqual([0, 0]);
  });

  it('has too many connections waits until one ends (spec forwarding 2.5: "MUST wait instead of being refused")', async () => {
    const connects = new FakeConnects();
    const { ours } = await socketPair();
    const sockets: (typeof ours)[] = [];
    const { accept, acceptor, timers, heard } = setUp({
      allow: ['192.0.43.8:80'],
      connectTcp: (address, port) => {
        connects.connectTcp(address, port);
        // Enough of a socket to be open; only its number matters here.
        const socket = Object.create(ours, {}) as typeof ours;
        sockets.push(socket);
        return socket;
      },
    });
    ours.setMaxListeners(0);
    for (let i = 0; i < MAX_CONNECTIONS - 1; i++) {
      accept(request('192.0.43.8'));
      ours.emit('connect');
    }
    accept(request('192.0.43.8')); // is under way, which counts as well
    const { stream } = accept(request('192.0.43.8'));
    expect([acceptor.connections, connects.made.length]).toEqual([MAX_CONNECTIONS - 1, MAX_CONNECTIONS]);
    ours.emit('connect');
    expect(acceptor.connections).toBe(MAX_CONNECTIONS);
    expect([refusalOf(stream), connects.made.length]).toEqual([undefined, MAX_CONNECTIONS]);
    timers.advance(1000 / DIALS_PER_SECOND);
    ours.destroy();
    await once(ours, 'close');
    expect(connects.made.length).toBe(MAX_CONNECTIONS + 1);
    expect(heard.filter((event) => 'refused' in event)).toEqual([]);
  });

  it('was refused as often as it has places can still reach a target, and no refused request is dialled later', async () => {
    const { accept, acceptor, connects, heard, timers } = setUp({
      allow: ['192.0.43.8:*', 'missing.example:80', 'silent.example:80'],
      resolve: (name) =>
        name === 'silent.example'
          ? new Promise(() => undefined)
          : Promise.reject(Object.assign(new Error(name), { code: 'ENOTFOUND' })),
    });
    // Each of these takes a place, and together they take more than there are.
    for (let n = 0; n < MAX_DIALS_PER_PEER / 2; n++) {
      accept(request('192.0.43.8'));
      connects.fail('ECONNREFUSED');
      accept(request('missing.example'));
      await settled();
    }
    for (let n = 0; n < MAX_DIALS_PER_PEER; n++) accept(request('silent.example'));
    for (let n = 0; n < MAX_DIALS_PER_PEER; n++) accept(request('192.0.43.8', 81));
    timers.advance(DIAL_TIMEOUT_MS);
    await settled();
    expect(heard.filter((event) => 'refused' in event)).toHaveLength(3 * MAX_DIALS_PER_PEER);
    expect([acceptor.underWay, timers.pending]).toEqual([0, 0]);
    const made = connects.made.length;
    for (let n = 0; n < MAX_DIALS_PER_PEER / 2; n++) accept(request('192.0.43.8', 82));
    expect(connects.made.slice(made)).toEqual(Array(MAX_DIALS_PER_PEER / 2).fill('192.0.43.8 82'));
    expect(new Set(heard.map((event) => 'refused' in event && event.refused)).size).toBe(heard.length);
  });

  it('gives up during resolution or dialling leaves no state behind', () => {
    const { accept, acceptor, connects, timers, heard } = setUp({
      allow: ['192.0.43.8:80', 'example.com:80'],
    });
    for (const { stream, handler } of [
      accept(),
      accept(request('example.com')),
      accept(request('192.0.43.8')),
    ]) {
      handler.onReset?.(StreamErrorCode.cancelled);
      handler.onClosed?.();
      expect(stream.resetCode).toBe(StreamErrorCode.cancelled);
    }
    timers.advance(SLOW_LOOKUP_MS); // the resolution continues
    expect([acceptor.underWay, timers.pending, heard]).toEqual([0, 0, []]);
    expect(connects.sockets.map(({ destroyed }) => destroyed)).toEqual([true]);
  });

  it('stops reading before the answer starts gets none (spec forwarding 4.3)', async () => {
    const { ours, theirs } = await socketPair();
    const { accept } = setUp({
      allow: ['192.0.43.8:80'],
      connectTcp: () => {
        process.nextTick(() => ours.emit('connect'));
        return ours;
      },
    });
    const { stream, handler } = accept(request('192.0.43.8'), 'take this');
    handler.onStopped?.(StreamErrorCode.cancelled);
    await settled();
    expect(ours.isPaused()).toBe(true);
    stream.arriveFin();
    const ending = howItEnds(theirs);
    handler.onReadable?.();
    await ending;
    expect(theirs.bytesRead).toBe(9);
  });
});

describe('closing an acceptor', () => {
  it('resets targets that outlive their streams', async () => {
    const { ours, theirs } = await socketPair();
    const { accept, acceptor } = setUp({
      allow: ['192.0.43.8:80'],
      connectTcp: () => {
        process.nextTick(() => ours.emit('connect'));
        return ours;
      },
    });
    const { stream, handler } = accept(request('192.0.43.8'));
    await settled();
    theirs.end();
    await stream.until(() => stream.finished);
    for (let i = 0; i < 1024; i++) stream.arrive(Buffer.alloc(16_384)); // more than the kernel buffers
    handler.onReadable?.();
    handler.onClosed?.();
    expect(acceptor.connections).toBe(1);
    await acceptor.close();
    expect(acceptor.connections).toBe(0);
  });
});

describe('changed rules (spec forwarding 3.9)', () => {
  /** Opens connections to these targets, one after another. */
  async function openAll(setup: Setup, hosts: readonly string[]) {
    const pairs: Awaited<ReturnType<typeof socketPair>>[] = [];
    for (const _ of hosts) pairs.push(await socketPair());
    const sockets = pairs.map(({ ours }) => ours);
    const running = setUp({
      ...setup,
      connectTcp: () => {
        const socket = sockets.shift() as (typeof pairs)[number]['ours'];
        process.nextTick(() => socket.emit('connect'));
        return socket;
      },
    });
    const streams = [];
    for (const host of hosts) {
      streams.push(running.accept(request(host)).stream);
      await settled();
    }
    expect(running.acceptor.connections).toBe(hosts.length);
    return { ...running, streams, theirs: pairs.map(({ theirs }) => theirs) };
  }

  it('reset what they do not permit, on both sides (spec forwarding 3.9: "MUST then reset, on both sides")', async () => {
    const { setRules, streams, theirs, heard } = await openAll(
      { allow: ['192.0.43.8:80', '192.0.43.9:80'] },
      ['192.0.43.8', '192.0.43.9'],
    );
    const ends = theirs.map(howItEnds);
    setRules('192.0.43.9:80');
    expect(await ends[0]).toBe('ECONNRESET');
    await streams[0]?.until(() => heard.some((event) => 'ended' in event));
    expect(streams.map(({ resetCode, stopCode }) => [resetCode, stopCode])).toEqual([
      [StreamErrorCode.refused, StreamErrorCode.refused],
      [undefined, undefined],
    ]);
    expect(heard.slice(2)).toEqual([
      {
        forbidden: 0,
        advice: 'no rule allows 192.0.43.8:80; to allow it, add the rule 192.0.43.8:80',
      },
      { ended: 0, clean: false },
    ]);
  });

  it('leave alone what another rule permits (spec forwarding 3.9: "MUST leave alone every connection")', async () => {
    const resolve = async () => ['192.0.43.8'];
    const { setRules, heard, acceptor } = await openAll({ allow: ['db.example:80'], resolve }, [
      'db.example',
    ]);
    setRules('*.example:80', 'other.example:80');
    setRules('*:*');
    expect(acceptor.connections).toBe(1);
    expect(heard).toHaveLength(1);
    setRules('192.0.43.8:80');
    expect(heard[1]).toMatchObject({ forbidden: 0 });
  });

  it('count for a special-purpose address that a name led to', async () => {
    const resolve = async () => ['10.0.0.1'];
    const allow = ['db.example:80', '10.0.0.0/8:80'];
    const { setRules, heard, acceptor } = await openAll({ allow, resolve }, ['db.example']);
    setRules('db.example:80', '10.0.0.1:80');
    expect(acceptor.connections).toBe(1);
    setRules('db.example:80');
    expect(heard[1]).toMatchObject({ forbidden: 0 });
  });

  it('refuse a connection that is made at that moment', async () => {
    const { accept, connects, setRules, heard } = setUp({ allow: ['192.0.43.8:80'] });
    const { stream } = accept(request('192.0.43.8'));
    setRules();
    connects.succeed();
    expect(refusalOf(stream)).toBe(byteOf('not-allowed'));
    expect(connects.sockets[0]?.destroyed).toBe(true);
    expect(() => connects.fail('ECONNRESET')).not.toThrow(); // It may still fail.
    expect(heard).toMatchObject([{ refused: 0, status: 'not-allowed' }]);
  });
});
