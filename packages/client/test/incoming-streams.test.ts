import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import {
  DescriptorGuard,
  encodeProxyHeader,
  encodeRequest,
  encodeStatus,
  MAX_CONNECTIONS,
  type RequestStatus,
  type ReverseForward,
  SocketWatch,
  type StreamRequest,
} from '@underpass/forward';
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
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

function setUp(port = 9) {
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
    resolve: () => Promise.reject(new Error('no name is looked up')),
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

  it('gives the target a header with the address of the visitor, if the forward says so (spec forwarding 2.8)', async () => {
    let received = Buffer.alloc(0);
    const port = await startTarget((socket) => {
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk]);
      });
      socket.on('end', () => socket.end());
    });
    const { incoming, forward, visit, until } = setUp(port);
    incoming.add({ ...forward, spec: { ...forward.spec, proxyProtocol: true } });
    const stream = visit();
    stream.arrive(Buffer.from('hello'));
    stream.arriveFin();
    await until('visitor-closed');
    const header = encodeProxyHeader({ address: '192.0.2.1', port: 5 }, { address: '127.0.0.1', port: 8080 });
    expect(received).toEqual(Buffer.concat([header, Buffer.from('hello')]));
  });

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

  it('is limited in number: a relay cannot make the client hold more connections (spec reverse 7)', async () => {
    const port = await startTarget();
    const { incoming, forward, visit, until, timers } = setUp(port);
    incoming.add(forward);
    const visitors = Array.from({ length: MAX_CONNECTIONS + 3 }, () => visit());
    await until('visitor-opened', MAX_CONNECTIONS);
    expect(incoming.connections).toBe(MAX_CONNECTIONS);
    expect(visitors.filter((stream) => stream.written.length === 0)).toHaveLength(3);
    timers.now += 1000; // so that one more may start
    visitors[0]?.handler.onReset?.(StreamErrorCode.cancelled);
    await until('visitor-opened', MAX_CONNECTIONS + 1);
    expect(visitors.filter((stream) => stream.written.length === 0)).toHaveLength(2);
  });
});
