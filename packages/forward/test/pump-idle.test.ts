import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { HALF_CLOSED_IDLE_MS, IDLE_CHECK_MS } from '../src/forward-constants.js';
import { FakeStream } from './fake-stream.js';
import { setUp } from './running-pump.js';
import { howItEnds } from './sockets.js';

/** A stream whose bytes are acknowledged at once. */
class AcknowledgedStream extends FakeStream {
  override get bufferedBytes(): number {
    return 0;
  }
}

describe('an idle pump', () => {
  // spec forwarding 4.7: "after 124 minutes"
  it('resets both sides if the other side of a half-closed connection never answers', async () => {
    const { theirs, stream, pump, end, timers, watch } = await setUp(new AcknowledgedStream());
    pump.start();
    theirs.end('question');
    await stream.until(() => stream.finished);
    timers.advance(IDLE_CHECK_MS + HALF_CLOSED_IDLE_MS);
    expect(stream.stopCode).toBe(StreamErrorCode.connectionReset);
    expect(await howItEnds(theirs)).toBe('ECONNRESET');
    expect(await end).toEqual({ bytesSent: 8, bytesReceived: 0, clean: false, idleMs: HALF_CLOSED_IDLE_MS });
    expect(watch.idle?.size).toBe(0);
  });

  // spec forwarding 4.7: "does not count"
  it('is left alone while bytes wait for the peer, and while both directions are open', async () => {
    const { theirs, stream, pump, end, timers, watch } = await setUp();
    pump.start();
    timers.advance(10 * HALF_CLOSED_IDLE_MS);
    theirs.end('question');
    await stream.until(() => stream.finished);
    timers.advance(10 * HALF_CLOSED_IDLE_MS);
    expect([stream.stopCode, watch.idle?.size]).toEqual([undefined, 1]);
    stream.arriveFin();
    pump.onReadable();
    theirs.resume();
    expect(await end).toMatchObject({ clean: true });
    expect(watch.idle?.size).toBe(0);
  });
});
