import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import {
  KEEPALIVE_DELAY_MS,
  MAX_VISITORS_PER_PEER,
  MAX_WAITING_VISITORS,
  RESERVED_DESCRIPTORS,
  VISITOR_TIMEOUT_MS,
  WATCH_INTERVAL_MS,
} from '../../src/forward-constants.js';
import { decodeRequest, encodeStatus } from '../../src/request.js';
import type { FakeStream } from '../fake-stream.js';
import { setUp } from './played-listener.js';

describe('a visitor', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['fe80::1%eth0', 'fe80::1'],
  ])('from %s is announced as %s', async (address, announced) => {
    const { ask, visit, opened } = setUp('*');
    await ask('localhost', 8001);
    visit(address);
    expect(decodeRequest((opened[0] as FakeStream).written)).toMatchObject({
      value: { kind: 'incoming', listener: 6, host: announced, port: 4711 },
    });
  });

  it('that has gone already is reset, and nobody hears of it', async () => {
    const { ask, visit, opened, heard } = setUp('*');
    await ask('localhost', 8001);
    const visitor = visit('');
    expect([visitor.isReset, opened.length, heard.length]).toEqual([true, 0, 1]);
    visitor.emit('error', new Error('late'));
  });

  it('is counted, reported with its bytes and forgotten at its end', async () => {
    const { ask, visit, answer, heard, listeners, timers, handlers } = setUp('*');
    await ask('localhost', 8001);
    const visitor = visit();
    timers.advance(KEEPALIVE_DELAY_MS); // the queue's watch over it has ended too
    expect([listeners.open[0]?.visitors, timers.pending]).toEqual([1, 1]);
    const stream = answer(Buffer.concat([encodeStatus('opened'), Buffer.from('hello')]));
    expect([visitor.written, timers.pending]).toEqual([['hello'], 0]);
    expect(heard.at(-1)).toBe('visitor 1 from 192.0.2.7: localhost 8001, 127.0.0.1, 1');
    timers.advance(2 * VISITOR_TIMEOUT_MS);
    expect([visitor.isReset, heard.length]).toEqual([false, 2]);
    handlers.get(stream)?.onReset?.(StreamErrorCode.connectionReset);
    visitor.close();
    expect(heard.slice(2)).toEqual(['ended 1 port 4711: 0 5 false']);
    expect(listeners.open[0]?.visitors).toBe(0);
  });

  it.each([
    ['connection-refused', "nothing listens at the forward's target on the client's side"],
    ['timed-out', "the forward's target did not answer the client"],
    ['name-not-found', "the client cannot resolve the forward's target"],
    ['unreachable', "the client has no route to the forward's target"],
    ['not-allowed', 'the client has ended that forward'],
    ['too-many-streams', 'the client answered: too-many-streams'],
  ] as const)(
    'that the client answers with %s is refused once, and its place is free',
    async (status, advice) => {
      const { ask, visit, answer, heard, timers } = setUp('*');
      await ask('localhost', 8001);
      const visitor = visit();
      answer(encodeStatus(status));
      expect(visitor.isReset).toBe(true);
      visitor.close();
      timers.advance(WATCH_INTERVAL_MS);
      expect(timers.pending).toBe(0);
      timers.advance(VISITOR_TIMEOUT_MS);
      expect(heard.slice(1)).toEqual([`refused 1 from 192.0.2.7: ${status}: ${advice}`]);
    },
  );

  it('says whether there was no place or no answer within 30 s (spec reverse 6)', async () => {
    const { ask, visit, heard, timers, free, listeners, opened } = setUp('*');
    await ask('localhost', 8001);
    visit();
    free.streams = false;
    const waiting = visit('192.0.2.8');
    timers.advance(VISITOR_TIMEOUT_MS);
    expect(heard.slice(1)).toEqual([
      'refused 1 from 192.0.2.7: timed-out: the client did not answer within 30 s',
      'refused undefined from 192.0.2.8: timed-out: there was no free place within 30 s',
    ]);
    // It has left the queue.
    free.streams = true;
    listeners.startWaiting();
    expect([opened.length, waiting.isReset]).toEqual([1, true]);
  });

  it('leaves its place to the next one at its end', async () => {
    const { ask, visit, opened, handlers } = setUp('*');
    await ask('localhost', 8001);
    const visitors = Array.from({ length: MAX_VISITORS_PER_PEER + 1 }, () => visit());
    const carried = opened.length;
    expect(carried).toBeLessThan(visitors.length);
    handlers.get(opened[0] as FakeStream)?.onReset?.(StreamErrorCode.cancelled);
    visitors[0]?.close();
    expect(opened).toHaveLength(carried + 1);
  });

  it('is not read while its peer has had its share (spec forwarding 4.8)', async () => {
    const { ask, visit, limit } = setUp('*');
    await ask('localhost', 8001);
    limit.set(1000);
    limit.toPeer.take(10_000);
    const visitor = visit();
    expect(visitor.isPaused).toBe(true);
    limit.set(undefined);
    expect(visitor.isPaused).toBe(false);
  });

  it('that was refused when its time was over is not refused again by a late answer', async () => {
    const { ask, visit, answer, heard, timers } = setUp('*');
    await ask('localhost', 8001);
    visit();
    timers.advance(VISITOR_TIMEOUT_MS);
    answer(encodeStatus('connection-refused'));
    expect(heard.slice(1)).toEqual([expect.stringContaining('timed-out')]);
  });

  it('that waits for a stream starts as soon as the client permits one (spec reverse 7)', async () => {
    const { ask, visit, free, opened, listeners } = setUp('*');
    await ask('localhost', 8001);
    free.streams = false;
    visit();
    listeners.startWaiting();
    expect(opened.length).toBe(0);
    free.streams = true;
    listeners.startWaiting();
    expect(opened.length).toBe(1);
  });

  it('that gives up while it waits is forgotten without a word', async () => {
    const { ask, visit, heard, timers, free, listeners } = setUp('*');
    await ask('localhost', 8001);
    free.streams = false;
    visit().close();
    expect([heard.length, listeners.open[0]?.visitors]).toEqual([1, 0]);
    timers.advance(VISITOR_TIMEOUT_MS);
    expect([heard.length, timers.pending]).toEqual([1, 0]);
  });

  it('beyond those that may wait is refused at once (spec reverse 7)', async () => {
    const { ask, visit, heard, free, timers } = setUp('*');
    await ask('localhost', 8001);
    free.streams = false;
    for (let n = 0; n < MAX_WAITING_VISITORS; n++) visit();
    const before = timers.pending;
    expect(visit().isReset).toBe(true);
    expect(heard.at(-1)).toBe(
      'refused undefined from 192.0.2.7: too-many-streams: too many visitors are waiting',
    );
    expect(timers.pending).toBe(before);
  });

  // spec forwarding 2.7
  it('gives its descriptor back when it closes', async () => {
    const { ask, visit, looks } = setUp('*');
    await ask('localhost', 8001);
    for (let n = 0; n < 4 * RESERVED_DESCRIPTORS; n++) visit().close();
    expect(looks.count).toBe(1);
  });

  it('of a listener that was closed is reset at once', async () => {
    const { ask, visit, opened } = setUp('*');
    const { handler } = await ask('localhost', 8001);
    handler.onReset?.(StreamErrorCode.cancelled);
    expect([visit().isReset, opened.length]).toEqual([true, 0]);
  });
});
