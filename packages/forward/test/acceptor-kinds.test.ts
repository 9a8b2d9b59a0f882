/** What becomes of each kind of request: who serves it, and what its refusal is reported as (spec forwarding 2.3). */
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Acceptor, type AcceptorOptions } from '../src/acceptor.js';
import { encodeRequest, encodeStatus, type StreamRequest } from '../src/request.js';
import { SocketWatch } from '../src/socket-watch.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { rules } from './rules.js';
import { socketPair } from './sockets.js';

/** A peer without any rules asks. @returns every call to the observer */
function reportsOf(request: StreamRequest, more: Partial<AcceptorOptions> = {}) {
  const timers = new FakeTimers();
  const reports: unknown[] = [];
  let woken = 0;
  const acceptor = new Acceptor({
    tunnel: { attach: () => {}, wake: () => woken++ },
    lookups: undefined as never,
    rules: () => [],
    probeReport: () => ({ clockMs: 0, packetsSent: 0, packetsLost: 0, address: '', name: '' }),
    observer: {
      onOpened: (...opened) => reports.push({ opened }),
      onRefused: (...refused) => reports.push({ refused }),
      onListenRefused: (...listenRefused) => reports.push({ listenRefused }),
      onTooLarge: () => {},
      onEnd: () => {},
    },
    ownAddresses: () => [],
    watch: undefined as never,
    descriptors: { hasRoom: () => true, release: () => {}, refuse: () => {} } as never,
    timers,
    now: timers.now,
    ...more,
  });
  const stream = new FakeStream(8);
  stream.arrive(encodeRequest(request));
  acceptor.accept(stream);
  return { reports, stream, acceptor, isWoken: woken > 0 };
}

const noRule = (place: string) => `no rule allows ${place}; to allow it, add the rule ${place}`;

describe('a request that no rule allows', () => {
  it.each([
    [
      'tcp',
      { kind: 'tcp', host: 'a.example', port: 80 },
      { refused: [8, { host: 'a.example', port: 80 }, 'not-allowed', noRule('a.example:80')] },
    ],
    [
      'unix',
      { kind: 'unix', path: '/run/a.sock' },
      { refused: [8, { path: '/run/a.sock' }, 'not-allowed', noRule('unix:/run/a.sock')] },
    ],
    [
      'udp',
      { kind: 'udp', host: 'a.example', port: 53 },
      {
        refused: [
          8,
          { host: 'a.example', port: 53, protocol: 'udp' },
          'not-allowed',
          noRule('a.example:53/udp'),
        ],
      },
    ],
    [
      'listen',
      { kind: 'listen', bind: 'localhost', port: 81 },
      {
        listenRefused: [
          8,
          { kind: 'listen', bind: 'localhost', port: 81 },
          'not-allowed',
          'this relay has no listeners',
        ],
      },
    ],
  ] as const)('is reported with its target: %s', (_kind, request, report) => {
    const { reports, stream, acceptor, isWoken } = reportsOf(request as StreamRequest);
    expect(reports).toEqual([report]);
    expect([...stream.written]).toEqual([...encodeStatus('not-allowed')]);
    expect([stream.finished, acceptor.underWay, acceptor.connections, isWoken]).toEqual([true, 0, 0, true]);
  });
});

it('a request to listen is served by the listeners of the peer, if it has any', () => {
  const asked: unknown[] = [];
  const { reports, acceptor } = reportsOf(
    { kind: 'listen', bind: 'localhost', port: 81 },
    {
      listen: (request) => {
        asked.push(request);
        return { start: () => {}, cancel: () => {} };
      },
    },
  );
  expect(asked).toMatchObject([{ bind: 'localhost', port: 81 }]);
  expect([reports, acceptor.underWay]).toEqual([[], 1]);
});

it('a connection takes a descriptor, and gives it back when it ends', async () => {
  const { ours } = await socketPair();
  const held: string[] = [];
  const { acceptor } = reportsOf(
    { kind: 'tcp', host: '192.0.43.8', port: 80 },
    {
      rules: () => rules('192.0.43.8:80'),
      connectTcp: () => ours,
      watch: new SocketWatch(new FakeTimers()),
      descriptors: {
        hasRoom: () => held.push('taken') > 0,
        release: () => held.push('given back'),
      } as never,
    },
  );
  ours.emit('connect');
  expect([acceptor.connections, held]).toEqual([1, ['taken']]);
  ours.destroy();
  await once(ours, 'close');
  expect([acceptor.connections, held]).toEqual([0, ['taken', 'given back']]);
});
