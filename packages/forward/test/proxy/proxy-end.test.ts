import { once } from 'node:events';
import { StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { PROXY_LINGER_MS, WATCH_INTERVAL_MS } from '../../src/forward-constants.js';
import { answerAndClose, ProxyEnd } from '../../src/proxy/proxy-end.js';
import type { PumpSummary } from '../../src/pump.js';
import { encodeRequest, encodeStatus } from '../../src/request.js';
import { SocketWatch } from '../../src/socket-watch.js';
import { FakeStream } from '../fake-stream.js';
import { FakeTimers } from '../fake-timers.js';
import { howItEnds, readAll, socketPair } from '../sockets.js';

const TARGET = { host: 'example.com', port: 80 };

async function setUp() {
  const { ours, theirs } = await socketPair();
  ours.pause();
  let isClosed = false;
  const closed = once(ours, 'close').then(() => {
    isClosed = true;
  });
  const timers = new FakeTimers();
  const stream = new FakeStream();
  const heard: string[] = [];
  const summaries: PumpSummary[] = [];
  let handler: StreamHandler = {};
  let wakes = 0;
  const takeWakes = () => {
    const count = wakes;
    wakes = 0;
    return count;
  };
  const end = new ProxyEnd({
    socket: ours,
    request: {
      command: 'connect',
      target: TARGET,
      granted: Buffer.from('granted '),
      refusal: (failure, advice) => Buffer.from(`${failure}: ${advice}`),
    },
    explain: (failure) => `advice for ${failure}`,
    timers,
  });
  const link = {
    tunnel: {
      attach: (_stream: unknown, attached: StreamHandler) => {
        handler = attached;
      },
      wake: () => void wakes++,
    },
    watch: new SocketWatch(timers),
    observer: {
      onOpened: () => heard.push('opened'),
      onRefused: (status: string) => heard.push(status),
      onEnd: (summary: PumpSummary) => {
        summaries.push(summary);
        heard.push(summary.clean ? 'clean' : 'not clean');
      },
    },
  };
  const open = () => {
    end.open(stream, link);
    return handler;
  };
  return {
    ours,
    theirs,
    end,
    link,
    stream,
    heard,
    timers,
    open,
    closed,
    isClosed: () => isClosed,
    takeWakes,
    summaries,
  };
}

describe('a request to a dynamic forward', () => {
  it('is answered only after the status, and then carried (spec proxy 6, 7)', async () => {
    const { theirs, ours, stream, heard, open, closed } = await setUp();
    const handler = open();
    const request = Buffer.from(encodeRequest({ kind: 'tcp', ...TARGET }));
    expect(stream.written.equals(request)).toBe(true);
    theirs.write('early ');
    handler.onReadable?.();
    expect([ours.bytesWritten, heard]).toEqual([0, []]);
    stream.arrive(Buffer.concat([encodeStatus('opened'), Buffer.from('answer')]));
    handler.onReadable?.();
    theirs.end('bytes');
    await stream.until(() => stream.finished);
    expect(String(stream.written.subarray(request.length))).toBe('early bytes');
    stream.arriveFin();
    handler.onReadable?.();
    expect(String(await readAll(theirs))).toBe('granted answer');
    await closed;
    expect(heard).toEqual(['opened', 'clean']);
  });

  it.each(['not-allowed', 'timed-out', 'internal-error'] as const)(
    'that is refused with %s is answered with it, and reads what still arrives',
    async (status) => {
      const { theirs, stream, heard, open, closed } = await setUp();
      const handler = open();
      theirs.write('unread bytes, which would turn the close into a reset');
      stream.arrive(Buffer.concat([encodeStatus(status), Buffer.from('not to be handed on')]));
      handler.onReadable?.();
      expect(String(await readAll(theirs))).toBe(`${status}: advice for ${status}`);
      theirs.end();
      await closed;
      expect([stream.resetCode, stream.stopCode]).toEqual([StreamErrorCode.refused, StreamErrorCode.refused]);
      expect(heard).toEqual([status, 'not clean']);
    },
  );

  it('is answered when no stream can be opened, and when the relay is not reached', async () => {
    const first = await setUp();
    first.end.open(undefined, first.link);
    expect(String(await readAll(first.theirs))).toBe('too-many-streams: advice for too-many-streams');
    expect(first.heard).toEqual(['too-many-streams']);
    const second = await setUp();
    second.end.giveUp();
    expect(String(await readAll(second.theirs))).toBe('relay-not-reached: advice for relay-not-reached');
  });

  it.each([
    [StreamErrorCode.internal, 'internal-error', ['internal-error']],
    [StreamErrorCode.connectionLost, 'connection-lost', []],
  ])('is answered when the stream is reset with %i before the status', async (code, failure, heardFirst) => {
    const { theirs, heard, open } = await setUp();
    open().onReset?.(code);
    expect(String(await readAll(theirs))).toBe(`${failure}: advice for ${failure}`);
    expect(heard).toEqual(heardFirst);
  });

  it('is answered when the stream ends before the status', async () => {
    const { theirs, stream, open } = await setUp();
    const handler = open();
    stream.arriveFin();
    handler.onReadable?.();
    expect(String(await readAll(theirs))).toBe('internal-error: advice for internal-error');
  });

  it('that the program gives up while the relay decides ends the stream (spec forwarding 4.6)', async () => {
    const { theirs, stream, heard, timers, open, isClosed } = await setUp();
    open();
    theirs.resetAndDestroy();
    // Nothing reads the socket, so only the watch can notice. The kernel may need a moment to deliver the reset.
    while (!isClosed()) {
      timers.advance(WATCH_INTERVAL_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([stream.resetCode, stream.stopCode]).toEqual([
      StreamErrorCode.cancelled,
      StreamErrorCode.cancelled,
    ]);
    expect(heard).toEqual(['not clean']);
  });

  it('passes on a reset after it was opened (spec forwarding 4.2)', async () => {
    const { theirs, stream, open } = await setUp();
    const handler = open();
    stream.arrive(encodeStatus('opened'));
    handler.onReadable?.();
    const ending = howItEnds(theirs);
    theirs.on('data', () => handler.onReset?.(StreamErrorCode.connectionReset));
    expect(await ending).toBe('ECONNRESET');
  });
});

describe('a request to a dynamic forward that waits for the relay', () => {
  // spec forwarding 4.6
  it.each<[string, (parts: Parts, handler: StreamHandler) => void, number]>([
    [
      'the relay has opened it',
      ({ stream }, handler) => {
        stream.arrive(encodeStatus('opened'));
        handler.onReadable?.();
      },
      0,
    ],
    [
      'the relay has refused it',
      ({ stream }, handler) => {
        stream.arrive(encodeStatus('unreachable'));
        handler.onReadable?.();
      },
      0,
    ],
    ['its connection is lost', (_parts, handler) => handler.onReset?.(StreamErrorCode.connectionLost), 0],
    ['the relay reads no more', (_parts, handler) => handler.onStopped?.(StreamErrorCode.cancelled), 1],
    ['there is room', (_parts, handler) => handler.onWritable?.(), 1],
    ['it is given up', ({ end }) => end.giveUp(), 0],
  ])('has its program watched until %s', async (_what, happen, left) => {
    const parts = await setUp();
    const { link, takeWakes } = parts;
    const handler = parts.open();
    expect([link.watch.size, takeWakes()]).toEqual([1, 1]);
    happen(parts, handler);
    expect(link.watch.size).toBe(left);
    if (left === 0) expect(takeWakes()).toBeGreaterThan(0);
  });

  it('has one answer, whatever the relay says later', async () => {
    const { theirs, stream, heard, open, end } = await setUp();
    const handler = open();
    stream.arrive(encodeStatus('timed-out'));
    handler.onReadable?.();
    stream.arrive(encodeStatus('opened'));
    handler.onReadable?.();
    handler.onReset?.(StreamErrorCode.internal);
    end.giveUp();
    expect(String(await readAll(theirs))).toBe('timed-out: advice for timed-out');
    expect(heard).toEqual(['timed-out']);
  });

  it('waits for the whole status, and for nothing behind a stop', async () => {
    const { theirs, ours, stream, heard, open } = await setUp();
    const handler = open();
    handler.onReadable?.();
    expect(heard).toEqual([]);
    handler.onStopped?.(StreamErrorCode.cancelled);
    stream.arrive(encodeStatus('opened'));
    handler.onReadable?.();
    const request = stream.written.length;
    theirs.write('nobody reads this');
    expect(String((await once(theirs, 'data'))[0])).toBe('granted ');
    await new Promise(setImmediate);
    // spec forwarding 4.3: "The side stops reading it"
    expect([heard, stream.written.length, ours.isPaused()]).toEqual([['opened'], request, true]);
  });

  it('has its answer once it is carried, whatever ends the wait for the relay', async () => {
    const { theirs, stream, open, end } = await setUp();
    const handler = open();
    stream.arrive(encodeStatus('opened'));
    handler.onReadable?.();
    end.giveUp();
    stream.arriveFin();
    handler.onReadable?.();
    expect([stream.resetCode, String(await readAll(theirs))]).toEqual([undefined, 'granted ']);
  });

  it('stops reading its program when the relay does, behind the status too (spec forwarding 4.3)', async () => {
    const { ours, stream, open } = await setUp();
    const handler = open();
    stream.arrive(encodeStatus('opened'));
    handler.onReadable?.();
    expect(ours.isPaused()).toBe(false);
    handler.onStopped?.(StreamErrorCode.cancelled);
    expect(ours.isPaused()).toBe(true);
  });

  it('counts what is carried, without the answer', async () => {
    const { theirs, stream, open, closed, summaries } = await setUp();
    const handler = open();
    stream.arrive(Buffer.concat([encodeStatus('opened'), Buffer.from('four')]));
    stream.arriveFin();
    handler.onReadable?.();
    theirs.resume();
    theirs.end('seven..');
    await closed;
    expect(summaries).toEqual([{ bytesSent: 7, bytesReceived: 4, clean: true }]);
  });

  it('carried nothing when its program gives up', async () => {
    const { theirs, ours, open, closed, summaries, stream } = await setUp();
    theirs.on('error', () => undefined);
    open();
    ours.destroy();
    await closed;
    expect(summaries).toEqual([{ bytesSent: 0, bytesReceived: 0, clean: false }]);
    expect(stream.resetCode).toBe(StreamErrorCode.cancelled);
  });
});

type Parts = Awaited<ReturnType<typeof setUp>>;

describe('a last answer', () => {
  it('closes a connection whose program does not, after a time', async () => {
    const { ours, theirs } = await socketPair();
    const timers = new FakeTimers();
    answerAndClose(ours, Buffer.from('no'), timers);
    expect(String(await readAll(theirs))).toBe('no');
    expect(ours.destroyed).toBe(false);
    const closed = once(ours, 'close');
    timers.advance(PROXY_LINGER_MS);
    await closed;
    expect(timers.pending).toBe(0);
  });

  it('leaves no timer when the program closes the connection itself', async () => {
    const { ours, theirs } = await socketPair();
    const timers = new FakeTimers();
    answerAndClose(ours, Buffer.from('no'), timers);
    expect(String(await readAll(theirs))).toBe('no');
    const closed = once(ours, 'close');
    theirs.end('and what nobody reads');
    await closed;
    expect(timers.pending).toBe(0);
  });
});
