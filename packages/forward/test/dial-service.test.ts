import { once } from 'node:events';
import type { Socket } from 'node:net';
import { StreamErrorCode, TurnoverSet } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { DescriptorGuard } from '../src/descriptor-guard.js';
import { DialQueue } from '../src/dial-queue.js';
import { DialService, type Route, type RouteOutcome } from '../src/dial-service.js';
import { DIAL_TIMEOUT_MS, MAX_WAITING_DIALS } from '../src/forward-constants.js';
import { IncomingRequest } from '../src/incoming-request.js';
import { RateLimit } from '../src/rate-limit.js';
import { encodeRequest } from '../src/request.js';
import { SocketWatch } from '../src/socket-watch.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { howItEnds, readAll, socketPair } from './sockets.js';

const TARGET = { host: '192.0.2.1', port: 80 };

/** A request whose route is the test. */
function setUp({ hasRoom = true, mayDial = true } = {}) {
  const timers = new FakeTimers();
  timers.advance(1000); // the process has run for a while
  const peer = { mayDial };
  const queue = new DialQueue({ mayDial: () => peer.mayDial, timers, now: timers.now });
  const limit = new RateLimit({ timers, now: timers.now });
  const heard: string[] = [];
  const stream = new FakeStream(4);
  let finish: (outcome: RouteOutcome) => void = () => undefined;
  let forbidden: string | undefined;
  const route: Route = {
    target: TARGET,
    judge: () => undefined,
    connect: (end, done) => {
      heard.push(`connect until ${end}`);
      finish = done;
      return () => heard.push('cancelled');
    },
    judgeAgain: (address) => (forbidden === undefined ? undefined : `${forbidden} ${address}`),
  };
  const tunnel = { attach: () => undefined, wake: () => undefined };
  const options = {
    tunnel,
    watch: new SocketWatch(timers),
    descriptors: new DescriptorGuard({
      onShortage: () => undefined,
      now: timers.now,
      canOpen: () => hasRoom,
    }),
  };
  const open = new TurnoverSet<DialService>();
  const shared = {
    queue,
    timers,
    now: timers.now,
    open,
    limit,
    onForbidden: (id: number, _target: unknown, advice: string) => heard.push(`forbidden ${id}: ${advice}`),
    onOpened: (id: number, _target: unknown, address: string) => heard.push(`opened ${id} at ${address}`),
    onConnected: () => heard.push('connected'),
    onDisconnected: () => heard.push('disconnected'),
    onEnd: (id: number, _target: unknown, { clean }: { clean: boolean }) => heard.push(`end ${id}: ${clean}`),
  };
  const incoming = new IncomingRequest(stream, {
    tunnel,
    timers,
    serve: (_request, self) => new DialService(self, route, options, shared),
    onDecided: () => undefined,
    onRefused: (_id, _request, status, advice) => heard.push(`${status}: ${advice}`),
  });
  stream.arrive(encodeRequest({ kind: 'tcp', ...TARGET }));
  const connect = (socket: Socket) => finish({ ok: true, socket, address: '192.0.2.1' });
  const forbid = (why: string) => {
    forbidden = why;
  };
  return { timers, queue, peer, limit, heard, stream, incoming, connect, forbid, open };
}

/** The same, connected to a target that the test plays. */
async function connected(prepare: (parts: ReturnType<typeof setUp>) => void = () => undefined) {
  const parts = setUp();
  const { ours, theirs } = await socketPair();
  prepare(parts);
  parts.incoming.start();
  parts.connect(ours);
  return { ...parts, ours, theirs };
}

describe('a request that is decided as soon as it enters the queue', () => {
  it('gives its place back', () => {
    const { incoming, heard, queue, timers } = setUp({ hasRoom: false });
    incoming.start();
    expect(heard).toEqual([expect.stringContaining('internal-error: ')]);
    expect([queue.dials, queue.waiting, timers.pending]).toEqual([0, 0, 0]);
  });
});

describe('a request that waits for a place (spec forwarding 2.5)', () => {
  it('is refused after 10 s, and not dialled later', () => {
    const { incoming, heard, queue, timers, peer } = setUp({ mayDial: false });
    incoming.start();
    timers.advance(DIAL_TIMEOUT_MS - 1);
    expect([heard, queue.waiting]).toEqual([[], 1]);
    timers.advance(1);
    expect(heard).toEqual([
      'timed-out: 192.0.2.1:80 was not dialled within 10 s: too many connections are waiting',
    ]);
    peer.mayDial = true;
    queue.startWaiting();
    expect([heard.length, queue.waiting, queue.dials, timers.pending]).toEqual([1, 0, 0, 0]);
  });

  it('has only the rest of the 10 s to connect', () => {
    const { incoming, heard, queue, timers, peer } = setUp({ mayDial: false });
    incoming.start();
    timers.advance(4_000);
    peer.mayDial = true;
    queue.startWaiting();
    expect(heard).toEqual([`connect until ${1000 + DIAL_TIMEOUT_MS}`]);
    // From now on the route watches the time.
    expect(timers.pending).toBe(0);
  });

  it('leaves the queue when its peer gives up', () => {
    const { incoming, heard, queue, timers } = setUp({ mayDial: false });
    incoming.start();
    incoming.onReset(StreamErrorCode.cancelled);
    expect([heard, queue.waiting, timers.pending]).toEqual([[], 0, 0]);
  });

  it('is refused at once when too many wait already', () => {
    const { incoming, heard, queue, timers } = setUp({ mayDial: false });
    for (let n = 0; n < MAX_WAITING_DIALS; n++) queue.enter('another target', () => undefined);
    incoming.start();
    expect(heard).toEqual(['too-many-streams: more than 1024 connections are waiting to be dialled']);
    expect([queue.waiting, timers.pending]).toEqual([MAX_WAITING_DIALS, 0]);
  });
});

describe('a request that is being dialled', () => {
  it('has 10 s in all, and is cancelled when its peer gives up (spec forwarding 2.4)', () => {
    const { incoming, heard, queue, timers } = setUp();
    incoming.start();
    expect([heard, queue.dials]).toEqual([[`connect until ${1000 + DIAL_TIMEOUT_MS}`], 1]);
    incoming.onReset(StreamErrorCode.cancelled);
    incoming.onClosed();
    expect(heard.slice(1)).toEqual(['cancelled']);
    expect([queue.dials, timers.pending]).toEqual([0, 0]);
  });
});

describe('a connection to a target', () => {
  it('is reported in order, and its place is free for the next', async () => {
    const { heard, queue, open, ours, theirs, stream, incoming } = await connected();
    expect(heard.slice(1)).toEqual(['connected', 'opened 4 at 192.0.2.1']);
    expect([queue.dials, open.size]).toEqual([0, 1]);
    theirs.end();
    stream.arriveFin();
    incoming.onReadable();
    theirs.resume();
    await once(ours, 'close');
    expect(heard.slice(3)).toEqual(['disconnected', 'end 4: true']);
    expect(open.size).toBe(0);
  });

  it('goes on when a full stream has room again (spec forwarding 4.4)', async () => {
    const { stream, theirs, incoming } = await connected(({ stream }) => {
      stream.room = 1 + 3;
    });
    theirs.write('answer');
    await stream.until(({ room }) => room === 0);
    stream.room = 100;
    incoming.onWritable();
    await stream.until(({ written }) => written.length === 7);
    expect(String(stream.written.subarray(1))).toBe('answer');
  });

  it('carries no more than the rate of its peer (spec forwarding 4.8)', async () => {
    const { stream, incoming, limit, timers } = await connected();
    limit.set(1000);
    limit.fromPeer.take(10_000);
    const before = stream.bytesRead;
    stream.arrive('question');
    incoming.onReadable();
    expect(stream.bytesRead).toBe(before);
    timers.advance(11_000);
    expect(stream.bytesRead).toBe(before + 8);
  });

  it('is reset with its stream (spec forwarding 4.2)', async () => {
    const { theirs, incoming } = await connected();
    const end = howItEnds(theirs);
    incoming.onReset(StreamErrorCode.connectionReset);
    expect(await end).toBe('ECONNRESET');
  });

  it('gets the bytes that came with the request, and those that follow', async () => {
    const { theirs, stream, incoming } = await connected(({ stream }) => stream.arrive('first '));
    stream.arrive('second');
    stream.arriveFin();
    incoming.onReadable();
    expect(String(await readAll(theirs))).toBe('first second');
  });

  it('that the rules of now do not permit is reset, and says so once (spec forwarding 3.9)', async () => {
    const { theirs, open, forbid, heard, stream } = await connected();
    const end = howItEnds(theirs);
    const [service] = open;
    service?.onRulesChanged();
    expect(stream.resetCode).toBeUndefined();
    forbid('no rule for');
    service?.onRulesChanged();
    expect(await end).toBe('ECONNRESET');
    expect([stream.resetCode, heard[3]]).toEqual([
      StreamErrorCode.refused,
      'forbidden 4: no rule for 192.0.2.1',
    ]);
  });

  it('that was forbidden while it was made is reset, and the request refused', async () => {
    const { theirs, ours, heard, queue, open } = await connected(({ forbid }) => forbid('no rule for'));
    expect(await howItEnds(theirs)).toBe('ECONNRESET');
    expect(heard.slice(1)).toEqual(['not-allowed: no rule for 192.0.2.1']);
    expect([queue.dials, open.size]).toEqual([0, 0]);
    ours.emit('error', new Error('late'));
  });
});
