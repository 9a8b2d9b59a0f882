/** The state that a pump reports to its watches, and the socket options that it sets. */
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { KEEPALIVE_DELAY_MS, SMALLEST_SEGMENT_BYTES, TCP_KEEPALIVE_MS } from '../src/forward-constants.js';
import { RateLimit } from '../src/rate-limit.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { setUp, written } from './running-pump.js';

/** A stream whose bytes are acknowledged at once, or at the test's word. */
class CountedStream extends FakeStream {
  unacknowledged = 0;
  override get bufferedBytes(): number {
    return this.unacknowledged;
  }
}

describe('a pump', () => {
  /** What the pump asks of its socket, in order. */
  async function setUpAsked() {
    const started = await setUp();
    const { ours } = started;
    const asked: unknown[] = [];
    const note = <T extends 'setNoDelay' | 'setKeepAlive' | 'write'>(method: T): void => {
      const real = ours[method].bind(ours) as (...args: unknown[]) => unknown;
      ours[method] = ((...args: unknown[]) => {
        asked.push(method === 'write' ? method : [method, ...args]);
        return real(...args);
      }) as never;
    };
    note('setNoDelay');
    note('setKeepAlive');
    note('write');
    return { ...started, asked };
  }
  const arrives = ({ stream, pump }: Awaited<ReturnType<typeof setUpAsked>>, bytes: string): void => {
    stream.arrive(bytes);
    pump.onReadable();
  };

  it('tells the kernel once to send at once, before the second bytes that it could delay', async () => {
    const started = await setUpAsked();
    started.pump.start();
    for (const bytes of ['first', 'second', 'third']) arrives(started, bytes);
    expect(started.asked).toEqual(['write', ['setNoDelay', true], 'write', 'write']);
  });

  it('tells it before the first bytes if these take more than one segment', async () => {
    const started = await setUpAsked();
    started.pump.start(Buffer.alloc(SMALLEST_SEGMENT_BYTES + 1));
    expect(started.asked).toEqual([['setNoDelay', true], 'write']);
    const fitting = await setUpAsked();
    fitting.pump.start(Buffer.alloc(SMALLEST_SEGMENT_BYTES));
    expect(fitting.asked).toEqual(['write']);
  });

  it('tells it before its first bytes if others have written before', async () => {
    const started = await setUpAsked();
    await written(started.ours, 'an answer of the proxy');
    started.pump.start();
    arrives(started, 'a greeting');
    expect(started.asked).toEqual(['write', ['setNoDelay', true], 'write']);
  });

  it('lets the kernel notice that a program has silently gone, if the connection lasts', async () => {
    const { pump, asked, timers } = await setUpAsked();
    pump.start();
    timers.advance(KEEPALIVE_DELAY_MS - 1);
    expect(asked).toEqual([]);
    timers.advance(1);
    expect(asked).toEqual([['setKeepAlive', true, TCP_KEEPALIVE_MS]]);
  });

  it('has moved the bytes of both directions', async () => {
    const { theirs, stream, pump } = await setUp(new CountedStream());
    expect(pump.movedBytes).toBe(0);
    pump.start(Buffer.from('first'));
    expect(pump.movedBytes).toBe(5);
    stream.arrive('second');
    pump.onReadable();
    expect(pump.movedBytes).toBe(11);
    theirs.write('answer');
    await stream.until(({ written }) => written.length > 0);
    expect(pump.movedBytes).toBe(17);
  });

  it('waits while the stream has no room, and while what it took is not acknowledged', async () => {
    const stream = new CountedStream();
    const { theirs, pump } = await setUp(stream);
    stream.room = 4;
    pump.start();
    expect(pump.isWaiting).toBe(false);
    theirs.write('answer');
    await stream.until(({ room }) => room === 0);
    expect(pump.isWaiting).toBe(true);
    stream.room = 100;
    stream.unacknowledged = 1;
    pump.onWritable();
    expect(pump.isWaiting).toBe(true);
    stream.unacknowledged = 0;
    expect(pump.isWaiting).toBe(false);
  });

  it.each<[string, (parts: Parts) => unknown]>([
    [
      'its program has sent FIN',
      ({ theirs, stream }) => {
        theirs.end();
        return stream.until(({ finished }) => finished);
      },
    ],
    [
      'its stream has ended',
      ({ stream, pump }) => {
        stream.arriveFin();
        pump.onReadable();
      },
    ],
    ['the other side reads no more', ({ pump }) => pump.onStopped()],
  ])('is half closed once %s', async (_what, end) => {
    const parts = await setUp();
    parts.pump.start();
    expect(parts.pump.isHalfClosed).toBe(false);
    await end(parts);
    expect(parts.pump.isHalfClosed).toBe(true);
  });

  // spec forwarding 4.6
  it('has its socket watched exactly while the socket is not read', async () => {
    const { ours, theirs, stream, pump, watch, end } = await setUp();
    const watched = () => [ours.isPaused(), watch.size, watch.idle?.size];
    stream.room = 1;
    pump.start();
    expect(watched()).toEqual([false, 0, 1]);
    theirs.write('abc');
    await stream.until(({ room }) => room === 0);
    expect(watched()).toEqual([true, 1, 1]);
    stream.room = 1;
    pump.onWritable();
    expect(watched()).toEqual([true, 1, 1]);
    stream.room = 100;
    pump.onWritable();
    expect(watched()).toEqual([false, 0, 1]);
    theirs.end();
    await stream.until(({ finished }) => finished);
    expect(watch.size).toBe(1);
    stream.arriveFin();
    pump.onReadable();
    theirs.resume();
    await end;
    expect([watch.size, watch.idle?.size]).toEqual([0, 0]);
  });

  it('does nothing for a stream that has room while nothing waits, or after a stop', async () => {
    const { ours, theirs, stream, pump, watch } = await setUp();
    stream.room = 1;
    pump.start();
    pump.onWritable();
    theirs.write('abc');
    await stream.until(({ room }) => room === 0);
    pump.onStopped();
    stream.room = 100;
    pump.onWritable();
    expect([String(stream.written), ours.isPaused(), watch.size]).toEqual(['a', true, 1]);
    expect(pump.isWaiting).toBe(true); // FakeStream acknowledges nothing
  });

  it.each([
    ['a reset of the stream', ({ pump }: Parts) => pump.onReset()],
    ['an idle limit', ({ pump }: Parts) => pump.onIdle(1)],
    ['a vanished program', ({ pump }: Parts) => pump.onVanished()],
    ['a rule', ({ pump }: Parts) => pump.abort(StreamErrorCode.refused)],
  ])('that is ended by %s says so once, and leaves nothing behind', async (_what, abort) => {
    const parts = await setUp();
    const { ours, pump, end, ends, watch, timers, stream } = parts;
    pump.start();
    abort(parts);
    const { clean } = await end;
    abort(parts);
    pump.onWritable();
    pump.onReadable();
    pump.onStopped();
    expect([clean, ends(), ours.destroyed]).toEqual([false, 1, true]);
    timers.advance(10_000);
    expect([watch.size, watch.idle?.size, timers.pending]).toEqual([0, 0, 0]);
    expect([stream.finished, stream.resetCode !== undefined]).toEqual([false, true]);
  });

  // spec forwarding 4.8
  it('charges every byte to the limit of its peer, also those that came with the request', async () => {
    const timers = new FakeTimers();
    const limit = new RateLimit({ timers, now: timers.now });
    limit.set(1_000_000); // 200 kB at once
    const { theirs, stream, pump } = await setUp(new FakeStream(), timers, { limit });
    pump.start(new Uint8Array(100_000));
    stream.arrive(new Uint8Array(60_000));
    pump.onReadable();
    expect([limit.fromPeer.takeMessage(39_999), limit.fromPeer.takeMessage(1)]).toEqual([true, true]);
    expect(limit.fromPeer.takeMessage(1)).toBe(false);
    theirs.write(new Uint8Array(50_000));
    await stream.until(({ written }) => written.length === 50_000);
    expect([limit.toPeer.takeMessage(149_999), limit.toPeer.takeMessage(1)]).toEqual([true, true]);
    expect(limit.toPeer.takeMessage(1)).toBe(false);
  });
});

type Parts = Awaited<ReturnType<typeof setUp>>;
