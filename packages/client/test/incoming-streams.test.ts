import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type ConnectionEnd,
  DescriptorGuard,
  encodeProxyHeader,
  encodeRequest,
  encodeStatus,
  type ListenPlace,
  MAX_CONNECTIONS,
  type NameResolver,
  type RequestStatus,
  type ReverseForward,
  SocketWatch,
  type StreamRequest,
  type TunnelSocket,
} from '@underpass/forward';
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ClientEvent } from '../src/client-options.js';
import { IncomingStreams } from '../src/incoming-streams.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';

const LISTEN_ID = 6;

async function startTarget(onConnection: (socket: Socket) => void = () => undefined): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, 'listening');
  return (server.address() as { readonly port: number }).port;
}

function setUp(port = 9, resolve: NameResolver = () => Promise.reject(new Error('no name is looked up'))) {
  const timers = new FakeTimers();
  const events: ClientEvent[] = [];
  let changed: () => void = () => undefined;
  let lastId = 0;
  let streams = 0;
  const hasRoom = { now: true };
  const incoming = new IncomingStreams({
    tunnel: {
      attach: (stream, handler) => {
        (stream as FakeStream).handler = handler;
      },
      wake: () => undefined,
    },
    watch: new SocketWatch(timers),
    descriptors: new DescriptorGuard({
      onShortage: () => undefined,
      now: () => timers.now,
      canOpen: () => hasRoom.now,
    }),
    resolve,
    newId: () => ++lastId,
    emit: (event) => {
      events.push(event);
      changed();
    },
    timers,
    now: () => timers.now,
  });
  onTestFinished(() => incoming.close());
  const spec: ReverseForward = {
    kind: 'reverse',
    text: `8080:127.0.0.1:${port}`,
    place: { bind: { kind: 'loopback' }, port: 8080 },
    target: { host: '127.0.0.1', port },
  };
  const forward = { spec, streamId: LISTEN_ID, port: 8080 };
  const open = (request: StreamRequest | Uint8Array): FakeStream => {
    const stream = new FakeStream(2 * streams++ + 1, true);
    stream.arrive(request instanceof Uint8Array ? request : encodeRequest(request));
    incoming.accept(stream);
    return stream;
  };
  const visit = (listener = LISTEN_ID): FakeStream =>
    open({ kind: 'incoming', listener, host: '192.0.2.1', port: 5 });
  const until = async (type: ClientEvent['type'], count = 1): Promise<void> => {
    while (events.filter((event) => event.type === type).length < count) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  return { incoming, forward, open, visit, events, until, hasRoom, timers };
}

const end = (address: string, port: number): ConnectionEnd => ({ address, port });
const statusOf = (stream: FakeStream): number | undefined => stream.written[0];
const byteOf = (status: RequestStatus): number | undefined => encodeStatus(status)[0];

describe('a stream that the relay opens', () => {
  it('is refused unread by a client without reverse forwards', () => {
    const { visit, events } = setUp();
    const stream = visit();
    expect([stream.written.length, stream.resetCode, stream.stopCode]).toEqual([
      0,
      StreamErrorCode.refused,
      StreamErrorCode.refused,
    ]);
    expect(events).toEqual([]);
  });

  it.each<[string, StreamRequest]>([
    ['asks for a target', { kind: 'tcp', host: '127.0.0.1', port: 22 }],
    ['asks for a unix socket', { kind: 'unix', path: '/run/docker.sock' }],
    ['asks to listen', { kind: 'listen', bind: '*', port: 8080 }],
    ['asks to enrol', { kind: 'enrol', publicKey: new Uint8Array(32) }],
    ['names another stream', { kind: 'incoming', listener: 0, host: '192.0.2.1', port: 5 }],
  ])('and that %s is not allowed (spec reverse 5: "The client MUST refuse")', (_what, request) => {
    const { incoming, forward, open, events } = setUp();
    incoming.add(forward);
    const stream = open(request);
    expect([statusOf(stream), stream.finished, stream.stopCode]).toEqual([
      byteOf('not-allowed'),
      true,
      StreamErrorCode.refused,
    ]);
    expect(events).toEqual([]);
  });

  it('is refused when the forward has ended, or its listener is not there now', () => {
    const { incoming, forward, visit } = setUp();
    incoming.add({ ...forward, streamId: undefined });
    incoming.add(forward);
    incoming.delete(forward);
    expect(statusOf(visit())).toBe(byteOf('not-allowed'));
  });

  it("is refused when its request can't be read", () => {
    const { incoming, forward, open } = setUp();
    incoming.add(forward);
    expect(statusOf(open(new Uint8Array(300)))).toBe(byteOf('malformed-request'));
  });

  it('leads to the target that the user wrote, whatever address it states (spec reverse 5: "MUST NOT connect to anything")', async () => {
    let received = '';
    const port = await startTarget((socket) => {
      socket.on('data', (chunk) => {
        received += chunk;
      });
      socket.end('answer');
    });
    const { incoming, forward, open, events, until } = setUp(port);
    incoming.add(forward);
    const elsewhere = await startTarget(() => expect.unreachable());
    const stream = open({ kind: 'incoming', listener: LISTEN_ID, host: '127.0.0.1', port: elsewhere });
    await until('visitor-opened');
    expect(incoming.streams()).toMatchObject([{ id: 1, target: { host: '127.0.0.1', port } }]);
    stream.arrive(Buffer.from('question'));
    stream.arriveFin();
    await until('visitor-closed');
    expect(String(stream.written)).toBe('\0answer');
    expect(received).toBe('question');
    const about = {
      id: 1,
      forward: forward.spec.text,
      target: forward.spec.target,
      from: `127.0.0.1 port ${elsewhere}`,
    };
    expect(events).toEqual([
      { type: 'visitor-opened', ...about },
      { type: 'visitor-closed', ...about, bytesSent: 6, bytesReceived: 8, clean: true },
    ]);
    expect([incoming.connections, incoming.streams()]).toEqual([0, []]);
  });

  it.each<[string, ListenPlace, string, number | undefined, ConnectionEnd | undefined]>([
    ['loopback', { bind: { kind: 'loopback' }, port: 8080 }, '192.0.2.1', 8080, end('127.0.0.1', 8080)],
    ['loopback', { bind: { kind: 'loopback' }, port: 0 }, '2001:db8::1', 9000, end('::1', 9000)],
    ['every interface', { bind: { kind: 'all' }, port: 8080 }, '192.0.2.1', 8080, end('0.0.0.0', 8080)],
    ['every interface', { bind: { kind: 'all' }, port: 8080 }, '2001:db8::1', 8080, end('::', 8080)],
    [
      'an address',
      { bind: { kind: 'host', host: '203.0.113.7' }, port: 80 },
      '192.0.2.1',
      80,
      end('203.0.113.7', 80),
    ],
    [
      'a port not known yet',
      { bind: { kind: 'loopback' }, port: 0 },
      '192.0.2.1',
      undefined,
      end('127.0.0.1', 0),
    ],
    ['a unix socket', { path: '/run/a.sock' }, 'unix', 0, undefined],
  ])(
    'through %s gives the target a header with the address of the visitor, if the forward says so (spec forwarding 2.8): %j, %s',
    async (_, place, host, listensOn, destination) => {
      let received = Buffer.alloc(0);
      const port = await startTarget((socket) => {
        socket.on('data', (chunk) => {
          received = Buffer.concat([received, chunk]);
        });
        socket.on('end', () => socket.end());
      });
      const { incoming, forward, open, until } = setUp(port);
      incoming.add({ ...forward, spec: { ...forward.spec, place, proxyProtocol: true }, port: listensOn });
      const visitorPort = destination === undefined ? 0 : 5;
      const stream = open({ kind: 'incoming', listener: LISTEN_ID, host, port: visitorPort });
      stream.arrive(Buffer.from('hello'));
      stream.arriveFin();
      await until('visitor-closed');
      const header = encodeProxyHeader(destination && end(host, visitorPort), destination);
      expect(received).toEqual(Buffer.concat([header, Buffer.from('hello')]));
    },
  );

  it('is refused with the reason when the target cannot be reached', async () => {
    const port = await startTarget();
    const { incoming, forward, visit, events, until, hasRoom } = setUp(port);
    incoming.add(forward);
    incoming.add({
      ...forward,
      streamId: 8,
      spec: { ...forward.spec, target: { host: '127.0.0.1', port: 1 } },
    });
    const refused = visit(8);
    await until('visitor-refused');
    expect(statusOf(refused)).toBe(byteOf('connection-refused'));
    expect(events[0]).toMatchObject({
      from: '192.0.2.1 port 5',
      status: 'connection-refused',
      advice:
        'a visitor from 192.0.2.1 port 5 was reset: 127.0.0.1:1 refused the connection: nothing listens there',
    });
    hasRoom.now = false;
    for (let i = 0; i < 16; i++) visit(8); // uses up what was known to be free
    await until('visitor-refused', 17);
    expect(statusOf(visit())).toBe(byteOf('internal-error'));
  });

  it('leads to a unix socket if the user wrote one', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'underpass-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = path.join(directory, 'web.sock');
    const server = createServer((socket) => void socket.end('answer')).listen(file);
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { incoming, forward, visit, until } = setUp();
    incoming.add({ ...forward, spec: { ...forward.spec, target: { path: file } } });
    const stream = visit();
    stream.arriveFin();
    await until('visitor-closed');
    expect(String(stream.written)).toBe('\0answer');
  });

  it('looks up the name that the user wrote, which no rule restricts', async () => {
    const asked: string[] = [];
    const port = await startTarget((socket) => void socket.end());
    const { incoming, forward, visit, until } = setUp(port, async (name) => {
      asked.push(name);
      return ['127.0.0.1'];
    });
    incoming.add({ ...forward, spec: { ...forward.spec, target: { host: 'web.internal', port } } });
    visit();
    await until('visitor-opened');
    expect(asked).toEqual(['web.internal']);
  });

  it('is reset at its target when the client closes', async () => {
    let code: string | undefined;
    const port = await startTarget((socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => {
        code = error.code;
      });
    });
    const { incoming, forward, visit, until, timers } = setUp(port);
    timers.now = 3_600_000;
    incoming.add(forward);
    visit(0);
    const stream = visit();
    await until('visitor-opened');
    expect(incoming.streams()).toMatchObject([{ id: 1, openedAt: timers.now, streamId: stream.id }]);
    await incoming.close();
    expect(incoming.connections).toBe(0);
    await vi.waitFor(() => expect(code).toBe('ECONNRESET'));
  });

  it('is limited in number: a relay cannot make the client hold more connections (spec reverse 7)', async () => {
    const accepted: unknown[] = [];
    const target = new EventEmitter();
    const port = await startTarget(({ remotePort }) => {
      accepted.push(remotePort);
      target.emit('accepted');
    });
    const { incoming, forward, visit, until, timers } = setUp(port);
    incoming.add(forward);
    const visitors = Array.from({ length: MAX_CONNECTIONS + 3 }, () => visit());
    await until('visitor-opened', MAX_CONNECTIONS);
    // The target accepts in order, so before this one it has accepted whatever the client has tried to connect.
    const last = connect(port, '127.0.0.1');
    onTestFinished(() => void last.destroy());
    await once(last, 'connect');
    while (!accepted.includes(last.localPort)) await once(target, 'accepted');
    expect(accepted).toHaveLength(MAX_CONNECTIONS + 1);
    expect(incoming.connections).toBe(MAX_CONNECTIONS);
    expect(visitors.filter((stream) => stream.written.length === 0)).toHaveLength(3);
    timers.now += 1000; // so that one more may start
    visitors[0]?.handler.onReset?.(StreamErrorCode.cancelled);
    await until('visitor-opened', MAX_CONNECTIONS + 1);
    expect(visitors.filter((stream) => stream.written.length === 0)).toHaveLength(2);
  });
});

describe('a visitor of a forward that this program serves', () => {
  const WHOLE = { bytesSent: 4, bytesReceived: 8, clean: true };

  it('is handed to it when it is open, and reported as any other', async () => {
    const { incoming, forward, visit, events, until, timers } = setUp();
    const visitors: TunnelSocket[] = [];
    incoming.add({ ...forward, service: { serve: (visitor) => void visitors.push(visitor) } });
    visit(0); // which names no listener, and gets no id
    timers.now = 7;
    const stream = visit();
    expect([statusOf(stream), visitors, incoming.connections]).toEqual([byteOf('opened'), [], 1]);
    expect(incoming.streams()).toMatchObject([
      { id: 1, target: forward.spec.target, from: '192.0.2.1 port 5', openedAt: 7, streamId: stream.id },
    ]);
    await settled();
    const [visitor] = visitors as [TunnelSocket];
    expect([stream.id, visitor.remoteAddress, visitor.remotePort]).toEqual([3, '192.0.2.1', 5]);
    visitor.end('fine');
    stream.arrive(Buffer.from('question'));
    stream.arriveFin();
    expect(String(Buffer.concat(await visitor.toArray()))).toBe('question');
    await until('visitor-closed');
    expect(String(stream.written.subarray(1))).toBe('fine');
    const about = {
      id: 1,
      forward: forward.spec.text,
      target: forward.spec.target,
      from: '192.0.2.1 port 5',
    };
    expect(events).toEqual([
      { type: 'visitor-opened', ...about },
      { type: 'visitor-closed', ...about, ...WHOLE },
    ]);
    expect([incoming.connections, incoming.streams()]).toEqual([0, []]);
  });

  it.each([undefined, false, true])(
    'is half open after its end only if that is allowed: %s',
    async (allows) => {
      const { incoming, forward, visit } = setUp();
      incoming.add({
        ...forward,
        service: {
          serve: (visitor) => void visitor.resume(),
          ...(allows !== undefined && { allowHalfOpen: allows }),
        },
      });
      const stream = visit();
      await settled();
      stream.arriveFin();
      await settled();
      expect(stream.finished).toBe(allows !== true);
    },
  );

  it('finds the bytes that came with its request, and learns whether anybody reads', async () => {
    const { incoming, forward, open } = setUp();
    const visitors: TunnelSocket[] = [];
    incoming.add({ ...forward, service: { serve: (visitor) => void visitors.push(visitor) } });
    const request = encodeRequest({ kind: 'incoming', listener: LISTEN_ID, host: '192.0.2.1', port: 5 });
    const stream = open(request.subarray(0, 4));
    stream.handler.onStopped?.(StreamErrorCode.cancelled);
    stream.arrive(Buffer.concat([request.subarray(4), Buffer.from('first')]));
    await settled();
    const [visitor] = visitors as [TunnelSocket];
    expect(String(visitor.read())).toBe('first');
    visitor.on('error', () => undefined).write('nobody reads this');
    expect(stream.written.length).toBe(1);
  });

  it('has a timeout, and an end that says who ended it', async () => {
    const { incoming, forward, visit, timers } = setUp();
    const visitors: TunnelSocket[] = [];
    incoming.add({ ...forward, service: { serve: (visitor) => void visitors.push(visitor) } });
    const stream = visit();
    await settled();
    const [visitor] = visitors as [TunnelSocket];
    const timedOut = once(visitor, 'timeout');
    visitor.setTimeout(1000);
    await timers.runTo(1000);
    await timedOut;
    const failed = once(visitor, 'error');
    stream.handler.onReset?.(StreamErrorCode.connectionReset);
    expect((await failed)[0]).toMatchObject({
      message: 'the visitor from 192.0.2.1 port 5 reset the connection',
    });
  });

  it('counts together with those that are being connected (spec reverse 7)', async () => {
    const { incoming, forward, visit } = setUp(9, () => new Promise(() => undefined));
    incoming.add({ ...forward, service: { serve: (visitor) => void visitor.on('error', () => {}) } });
    const target = { host: 'slow.example', port: 80 };
    incoming.add({ ...forward, streamId: 8, spec: { ...forward.spec, target } });
    for (let n = 0; n < 3; n++) visit(8);
    const visitors = Array.from({ length: MAX_CONNECTIONS - 2 }, () => visit());
    expect(visitors.filter((stream) => statusOf(stream) === byteOf('opened'))).toHaveLength(
      MAX_CONNECTIONS - 3,
    );
    expect(statusOf(visitors.at(-1) as FakeStream)).toBe(byteOf('too-many-streams'));
  });

  it('leaves no place for one that has to be connected, which is refused after 10 s', async () => {
    const { incoming, forward, visit, timers, events } = setUp();
    incoming.add({ ...forward, service: { serve: (visitor) => void visitor.on('error', () => {}) } });
    incoming.add({ ...forward, streamId: 8 });
    for (let n = 0; n < MAX_CONNECTIONS; n++) visit();
    const waiting = visit(8);
    await timers.runTo(10_000);
    expect(statusOf(waiting)).toBe(byteOf('timed-out'));
    expect(events.at(-1)).toMatchObject({ type: 'visitor-refused', status: 'timed-out' });
  });

  it('is limited in number together with all others (spec reverse 7)', async () => {
    const { incoming, forward, visit, events } = setUp();
    incoming.add({ ...forward, service: { serve: (visitor) => void visitor.on('error', () => {}) } });
    const visitors = Array.from({ length: MAX_CONNECTIONS }, () => visit());
    expect(visitors.map(statusOf)).not.toContainEqual(byteOf('too-many-streams'));
    expect(incoming.connections).toBe(MAX_CONNECTIONS);
    const refused = visit();
    expect(statusOf(refused)).toBe(byteOf('too-many-streams'));
    expect(events.at(-1)).toMatchObject({
      type: 'visitor-refused',
      status: 'too-many-streams',
      advice: 'a visitor from 192.0.2.1 port 5 was reset: more than 1024 visitors are connected',
    });
    await settled();
    visitors[0]?.handler.onReset?.(StreamErrorCode.cancelled);
    await settled();
    expect(statusOf(visit())).toBe(byteOf('opened'));
  });
});

/** Resolves when everything that was caused has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
