import { once } from 'node:events';
import { StreamErrorCode } from '@underpass/protocol';
import { type StreamHandler, systemTimers } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { openThroughTunnel, requestThroughTunnel } from '../src/opener.js';
import type { PumpSummary } from '../src/pump.js';
import { RateLimit } from '../src/rate-limit.js';
import { encodeRequest, encodeStatus, type RequestStatus } from '../src/request.js';
import { SocketWatch } from '../src/socket-watch.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { howItEnds, readAll, socketPair } from './sockets.js';

const TARGET = { host: 'example.com', port: 80 };
const REQUEST = Buffer.from(encodeRequest({ kind: 'tcp', ...TARGET }));

async function setUp(stream = new FakeStream()) {
  const { ours, theirs } = await socketPair();
  const heard: string[] = [];
  let handler: StreamHandler = {};
  let summary: PumpSummary | undefined;
  const end = new Promise<void>((resolve) => {
    openThroughTunnel(
      {
        attach: (_stream, attached) => {
          handler = attached;
        },
        wake: () => undefined,
      },
      stream,
      ours,
      TARGET,
      {
        onOpened: () => heard.push('opened'),
        onRefused: (status) => heard.push(status),
        onForbidden: () => heard.push('forbidden'),
        onEnd: (ended) => {
          summary = ended;
          heard.push(ended.clean ? 'clean' : 'not clean');
          resolve();
        },
      },
      new SocketWatch(systemTimers),
    );
  });
  return { ours, theirs, stream, heard, end, handler, summary: () => summary };
}

describe('a connection through the tunnel', () => {
  it('sends its request and the first bytes without waiting for the status (spec forwarding 2.1)', async () => {
    const { theirs, stream } = await setUp();
    expect(stream.written.equals(REQUEST)).toBe(true);
    theirs.end('data');
    await stream.until(() => stream.finished);
    expect(String(stream.written.subarray(REQUEST.length))).toBe('data');
  });

  it('passes on the bytes after the status', async () => {
    const { theirs, stream, handler, heard, end } = await setUp();
    stream.arrive(encodeStatus('opened'));
    handler.onReadable?.();
    stream.arrive('answer');
    stream.arriveFin();
    handler.onReadable?.();
    theirs.end();
    expect(String(await readAll(theirs))).toBe('answer');
    await end;
    expect(heard).toEqual(['opened', 'clean']);
  });

  it('passes on bytes that arrive together with the status', async () => {
    const { theirs, stream, handler } = await setUp();
    stream.arrive(Buffer.concat([encodeStatus('opened'), Buffer.from('answer')]));
    handler.onReadable?.();
    expect(String((await once(theirs, 'data'))[0])).toBe('answer');
  });

  it.each<[RequestStatus]>([['not-allowed'], ['connection-refused'], ['internal-error']])(
    'is reset without a byte when the status is %s (spec forwarding 2.2: "MUST reset the local connection", "MUST NOT pass on any byte")',
    async (status) => {
      const { theirs, stream, handler, heard, end } = await setUp();
      const ending = howItEnds(theirs);
      stream.arrive(Buffer.concat([encodeStatus(status), Buffer.from('not to be handed on')]));
      stream.arriveFin();
      handler.onReadable?.();
      expect(await ending).toBe('ECONNRESET');
      await end;
      expect(theirs.bytesRead).toBe(0);
      expect(heard).toEqual([status, 'not clean']);
      expect([stream.resetCode, stream.stopCode]).toEqual([StreamErrorCode.refused, StreamErrorCode.refused]);
    },
  );

  it('treats an unknown status as an internal error', async () => {
    const { stream, handler, heard, theirs } = await setUp();
    theirs.on('error', () => undefined);
    stream.arrive(Uint8Array.of(200));
    handler.onReadable?.();
    expect(heard).toEqual(['internal-error']);
  });

  it('is reset when the stream ends before the status (spec forwarding 2.2)', async () => {
    const { theirs, stream, handler, heard, end } = await setUp();
    const ending = howItEnds(theirs);
    stream.arriveFin();
    handler.onReadable?.();
    expect(await ending).toBe('ECONNRESET');
    await end;
    expect(heard).toEqual(['internal-error', 'not clean']);
  });

  it.each(['internal', 'refused'] as const)(
    'is reset when the stream is reset before the status (spec forwarding 2.2): %s',
    async (code) => {
      const { theirs, handler, heard, end } = await setUp();
      const ending = howItEnds(theirs);
      handler.onReset?.(StreamErrorCode[code]);
      expect(await ending).toBe('ECONNRESET');
      await end;
      expect(heard).toEqual(['internal-error', 'not clean']);
    },
  );

  it('of a peer with a limit waits for its turn (spec forwarding 4.8)', async () => {
    const timers = new FakeTimers();
    const limit = new RateLimit({ timers, now: timers.now });
    limit.set(1000);
    limit.toPeer.take(10_000);
    const { ours } = await socketPair();
    const stream = new FakeStream();
    const tunnel = { attach: () => undefined, wake: () => undefined };
    const request = { kind: 'incoming', listener: 0, host: '192.0.2.1', port: 5 } as const;
    const observer = { onRefused: () => undefined, onEnd: () => undefined };
    requestThroughTunnel(tunnel, stream, ours, request, observer, new SocketWatch(timers), { limit });
    expect([stream.written.equals(encodeRequest(request)), ours.isPaused()]).toEqual([true, true]);
    limit.set(undefined);
    expect(ours.isPaused()).toBe(false);
  });

  it('is reset without a refusal when the connection to the relay is lost', async () => {
    const { theirs, handler, heard, end } = await setUp();
    const ending = howItEnds(theirs);
    handler.onReset?.(StreamErrorCode.connectionLost);
    expect(await ending).toBe('ECONNRESET');
    await end;
    expect(heard).toEqual(['not clean']);
  });

  it('ends without a refusal when the program gives up before the status', async () => {
    const { theirs, stream, heard, end } = await setUp();
    theirs.resetAndDestroy();
    await end;
    expect(heard).toEqual(['not clean']);
    expect([stream.resetCode, stream.stopCode]).toEqual([
      StreamErrorCode.connectionReset,
      StreamErrorCode.connectionReset,
    ]);
  });

  it('is reset when no stream can be opened (spec forwarding 2.2)', async () => {
    const { ours, theirs } = await socketPair();
    const ending = howItEnds(theirs);
    const heard: unknown[] = [];
    const closed = once(ours, 'close');
    const tunnel = { attach: () => undefined, wake: () => undefined };
    const observer = {
      onRefused: (status: string) => heard.push(status),
      onEnd: (summary: PumpSummary) => heard.push(summary),
    };
    openThroughTunnel(tunnel, undefined, ours, TARGET, observer, new SocketWatch(systemTimers));
    expect(await ending).toBe('ECONNRESET');
    await closed;
    expect(heard).toEqual(['too-many-streams', { bytesSent: 0, bytesReceived: 0, clean: false }]);
  });

  // spec forwarding 2.8
  it('sends a header between its request and the bytes of the program', async () => {
    const { ours, theirs } = await socketPair();
    const stream = new FakeStream();
    const tunnel = { attach: () => undefined, wake: () => undefined };
    const observer = { onRefused: () => undefined, onEnd: () => undefined };
    const watch = new SocketWatch(systemTimers);
    openThroughTunnel(tunnel, stream, ours, TARGET, observer, watch, Buffer.from('header '));
    theirs.end('data');
    await stream.until(() => stream.finished);
    expect(stream.written.equals(Buffer.concat([REQUEST, Buffer.from('header data')]))).toBe(true);
  });

  it('counts only what was carried for the program', async () => {
    const { theirs, stream, handler, summary, end } = await setUp();
    stream.arrive(Buffer.concat([encodeStatus('opened'), Buffer.from('answer')]));
    stream.arriveFin();
    handler.onReadable?.();
    theirs.resume();
    theirs.end('data');
    await end;
    expect(summary()).toEqual({ bytesSent: 4, bytesReceived: 6, clean: true });
  });

  it.each([StreamErrorCode.connectionReset, StreamErrorCode.connectionLost, StreamErrorCode.cancelled])(
    'is neither refused nor forbidden when a stream that was opened is reset with %i',
    async (code) => {
      const { theirs, stream, handler, heard, end } = await setUp();
      theirs.on('error', () => undefined);
      stream.arrive(encodeStatus('opened'));
      handler.onReadable?.();
      handler.onReset?.(code);
      await end;
      expect(heard).toEqual(['opened', 'not clean']);
    },
  );

  it('says so when the relay permits the connection no longer (spec forwarding 3.9)', async () => {
    const { theirs, stream, handler, heard, end } = await setUp();
    const ended = howItEnds(theirs);
    stream.arrive(encodeStatus('opened'));
    handler.onReadable?.();
    handler.onReset?.(StreamErrorCode.refused);
    expect(await ended).toBe('ECONNRESET');
    await end;
    expect(heard).toEqual(['opened', 'forbidden', 'not clean']);
  });

  it('waits while the stream has no room, and goes on when there is some', async () => {
    const { theirs, stream, handler } = await setUp();
    stream.room = 2;
    theirs.end('data');
    await stream.until(() => stream.room === 0);
    expect(stream.finished).toBe(false);
    stream.room = 100;
    handler.onWritable?.();
    await stream.until(() => stream.finished);
    expect(String(stream.written.subarray(REQUEST.length))).toBe('data');
  });

  it('sends nothing more when the target reads no more (spec forwarding 4.3)', async () => {
    const { theirs, ours, stream, handler } = await setUp();
    handler.onStopped?.(StreamErrorCode.cancelled);
    theirs.write('nobody reads this');
    await new Promise((resolve) => setImmediate(resolve));
    expect([ours.isPaused(), stream.written.length]).toEqual([true, REQUEST.length]);
  });
});
