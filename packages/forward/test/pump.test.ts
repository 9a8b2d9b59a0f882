import { once } from 'node:events';
import { StreamErrorCode } from '@underpass/protocol';
import { systemTimers } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { GATHER_BYTES, SOCKET_BUFFER_BYTES, WATCH_INTERVAL_MS } from '../src/forward-constants.js';
import { Pump } from '../src/pump.js';
import { SocketWatch } from '../src/socket-watch.js';
import { FakeStream } from './fake-stream.js';
import { pauseReading, setUp, untilGone, written } from './running-pump.js';
import { howItEnds, readAll, socketPair } from './sockets.js';

describe('a pump', () => {
  it('carries both directions and ends cleanly when both have ended (spec forwarding 4.1)', async () => {
    const { theirs, stream, pump, end, ends, watch } = await setUp();
    pump.start(Buffer.from('first '));
    stream.arrive('second');
    stream.arriveFin();
    pump.onReadable();
    theirs.end('answer');
    expect(String(await readAll(theirs))).toBe('first second');
    await stream.until(() => stream.finished);
    expect(String(stream.written)).toBe('answer');
    expect(await end).toEqual({ bytesSent: 6, bytesReceived: 12, clean: true });
    expect([stream.resetCode, stream.stopCode, ends()]).toEqual([undefined, undefined, 1]);
    expect(watch.size).toBe(0);
  });

  it("passes on the program's FIN and keeps carrying the other direction (spec forwarding 4.1)", async () => {
    const { theirs, stream, pump, end } = await setUp();
    pump.start();
    theirs.end('question');
    await stream.until(() => stream.finished);
    stream.arrive('answer');
    pump.onReadable();
    expect(String((await once(theirs, 'data'))[0])).toBe('answer');
    stream.arriveFin();
    pump.onReadable();
    expect((await end).clean).toBe(true);
  });

  it('passes on a FIN that arrived before it started (spec forwarding 4.1)', async () => {
    const { ours, theirs, stream, pump, end, watch } = await setUp();
    const ended = once(ours, 'end');
    theirs.end();
    await ended;
    pump.start();
    await stream.until(() => stream.finished);
    stream.arrive('answer');
    stream.arriveFin();
    pump.onReadable();
    expect(String(await readAll(theirs))).toBe('answer');
    expect((await end).clean).toBe(true);
    expect(watch.size).toBe(0);
  });

  it("passes on the stream's FIN and keeps carrying the other direction (spec forwarding 4.1)", async () => {
    const { theirs, stream, pump, end } = await setUp();
    pump.start();
    stream.arriveFin();
    pump.onReadable();
    theirs.resume();
    await once(theirs, 'end');
    expect(stream.finished).toBe(false);
    theirs.end('late');
    await stream.until(() => stream.finished);
    expect(String(stream.written)).toBe('late');
    expect((await end).clean).toBe(true);
  });

  it('pauses the socket while the stream is full, and loses nothing (spec forwarding 4.4: "continue to read a TCP connection")', async () => {
    const { ours, theirs, stream, pump } = await setUp();
    const sent = Buffer.alloc(300_000, 'x');
    stream.room = 1000;
    pump.start();
    theirs.end(sent);
    await stream.until(() => stream.room === 0);
    expect(ours.isPaused()).toBe(true);
    expect(stream.finished).toBe(false);
    while (!stream.finished) {
      stream.room = 50_000;
      pump.onWritable();
      await stream.until(() => stream.room === 0 || stream.finished);
    }
    expect(stream.written.equals(sent)).toBe(true);
  });

  it('loses nothing from a socket that closes before the stream has room (spec forwarding 4.1)', async () => {
    const { ours, theirs, stream, pump, end, ends } = await setUp();
    stream.room = 4;
    stream.arriveFin();
    pump.start();
    theirs.resume();
    theirs.end('the whole answer');
    await once(ours, 'close');
    expect([ends(), stream.finished, stream.resetCode]).toEqual([0, false, undefined]);
    stream.room = 1000;
    pump.onWritable();
    expect([String(stream.written), stream.finished]).toEqual(['the whole answer', true]);
    expect(await end).toEqual({ bytesSent: 16, bytesReceived: 0, clean: true });
    expect(ends()).toBe(1);
  });

  it.each([
    ['reset', (pump: Pump) => pump.onReset()],
    ['stopped', (pump: Pump) => pump.onStopped()],
  ])('ends when the stream is %s while the last bytes of a closed socket wait', async (_how, happen) => {
    const { ours, theirs, stream, pump, end, ends } = await setUp();
    stream.room = 4;
    stream.arriveFin();
    pump.start();
    theirs.resume();
    theirs.end('the whole answer');
    await once(ours, 'close');
    happen(pump);
    expect(await end).toEqual({ bytesSent: 4, bytesReceived: 0, clean: false });
    pump.onReset();
    expect(ends()).toBe(1);
  });

  it('stops reading the stream while the socket is full, within its limit (spec forwarding 4.4: "continue to read the stream")', async () => {
    const { ours, theirs, stream, pump } = await setUp();
    const chunk = Buffer.alloc(16_384, 'x');
    const chunks = 1024; // 16 MiB: more than the kernel buffers
    for (let i = 0; i < chunks; i++) stream.arrive(chunk);
    stream.arriveFin();
    pump.start();
    expect(ours.writableLength).toBeLessThanOrEqual(SOCKET_BUFFER_BYTES);
    expect(stream.bytesRead).toBeLessThan(chunks * chunk.length);
    const read = stream.bytesRead;
    pump.onReadable();
    expect(stream.bytesRead).toBe(read);
    expect((await readAll(theirs)).length).toBe(chunks * chunk.length);
  });

  it('keeps reading the stream when the kernel takes a gathered write at once', async () => {
    const { theirs, stream, pump } = await setUp();
    const sizes = [GATHER_BYTES - 1, GATHER_BYTES, 1];
    for (const size of sizes) stream.arrive(Buffer.alloc(size));
    stream.arriveFin();
    pump.start();
    expect((await readAll(theirs)).length).toBe(2 * GATHER_BYTES);
  });

  it('resets the stream when the program resets (spec forwarding 4.2: "sending direction with CONNECTION_RESET")', async () => {
    const { theirs, stream, pump, end } = await setUp();
    pump.start();
    theirs.resetAndDestroy();
    expect((await end).clean).toBe(false);
    expect([stream.resetCode, stream.stopCode]).toEqual([
      StreamErrorCode.connectionReset,
      StreamErrorCode.connectionReset,
    ]);
  });

  it('leaves a direction that has ended alone when the program resets (spec forwarding 4.2)', async () => {
    const { theirs, stream, pump, end } = await setUp();
    pump.start();
    theirs.end();
    await stream.until(() => stream.finished);
    theirs.resetAndDestroy();
    stream.arrive('nobody reads this');
    pump.onReadable();
    expect((await end).clean).toBe(false);
    expect([stream.resetCode, stream.stopCode]).toEqual([undefined, StreamErrorCode.connectionReset]);
  });

  it('resets the socket when the stream is reset (spec forwarding 4.2: "MUST reset the TCP connection")', async () => {
    const { theirs, stream, pump, end } = await setUp();
    pump.start();
    const ending = howItEnds(theirs);
    pump.onReset();
    expect(await ending).toBe('ECONNRESET');
    expect((await end).clean).toBe(false);
    expect([stream.resetCode, stream.stopCode]).toEqual([StreamErrorCode.connectionReset, undefined]);
  });

  it('closes the socket even if the reset arrives while its FIN is being sent', async () => {
    const { stream, pump, end, ends } = await setUp();
    pump.start();
    stream.arriveFin();
    pump.onReadable();
    pump.onReset(); // in the same turn: the kernel has not taken the FIN yet
    expect((await end).clean).toBe(false);
    expect(ends()).toBe(1);
  });

  it('stops reading a program after STOP_SENDING, and resets it when the other direction ends (spec forwarding 4.3)', async () => {
    const { ours, theirs, stream, pump, end } = await setUp();
    pump.start();
    pump.onStopped();
    expect(ours.isPaused()).toBe(true);
    stream.arrive('last words');
    stream.arriveFin();
    pump.onReadable();
    expect(String((await once(theirs, 'data'))[0])).toBe('last words');
    theirs.on('error', () => undefined);
    expect((await end).clean).toBe(false);
    expect(stream.written).toHaveLength(0);
  });

  it('resets a program after STOP_SENDING if the other direction has already ended (spec forwarding 4.3)', async () => {
    const { ours, stream, pump, end } = await setUp();
    pump.start();
    const finished = once(ours, 'finish');
    stream.arriveFin();
    pump.onReadable();
    await finished;
    pump.onStopped();
    expect(ours.destroyed).toBe(true);
    expect((await end).clean).toBe(false);
  });

  // spec forwarding 4.6: Node never polls these sockets, so the test waits for the kernel to know and then advances the
  // clock.
  it('ends when the program sends FIN and later vanishes', async () => {
    const { ours, theirs, stream, pump, end, timers } = await setUp();
    pump.start();
    const finished = once(theirs, 'finish');
    theirs.end('question');
    await stream.until(() => stream.finished);
    await finished;
    timers.advance(10 * WATCH_INTERVAL_MS);
    expect(stream.stopCode).toBeUndefined();
    theirs.resetAndDestroy();
    await untilGone(ours);
    timers.advance(WATCH_INTERVAL_MS);
    expect(await end).toMatchObject({ clean: false });
    expect([stream.stopCode, timers.pending]).toEqual([StreamErrorCode.connectionReset, 0]);
  });

  it('ends when the program resets while its socket is paused', async () => {
    const { ours, theirs, stream, pump, end, timers } = await setUp();
    theirs.on('error', () => undefined);
    await pauseReading(pump, stream, theirs);
    expect(ours.isPaused()).toBe(true);
    theirs.resetAndDestroy();
    await untilGone(ours);
    timers.advance(WATCH_INTERVAL_MS);
    expect(await end).toMatchObject({ clean: false });
    expect([stream.resetCode, timers.pending]).toEqual([StreamErrorCode.connectionReset, 0]);
  });

  // spec forwarding 4.6: "MUST be left alone"
  it('keeps the last bytes of a connection that both sides have ended while the stream is full', async () => {
    const { ours, theirs, stream, pump, end, timers } = await setUp();
    stream.arriveFin();
    await pauseReading(pump, stream, theirs);
    theirs.end('all of it');
    await untilGone(ours);
    timers.advance(100 * WATCH_INTERVAL_MS);
    expect(stream.resetCode).toBeUndefined();
    stream.room = 1000;
    pump.onWritable();
    expect(await end).toMatchObject({ clean: true });
    expect(String(stream.written)).toBe('xxall of it');
  });

  it('ends when a program resets after STOP_SENDING', async () => {
    const { ours, theirs, pump, end, timers } = await setUp();
    pump.start();
    pump.onStopped();
    theirs.resetAndDestroy();
    await untilGone(ours);
    timers.advance(WATCH_INTERVAL_MS);
    expect(await end).toMatchObject({ clean: false });
  });

  it('does not mistake a reset behind unread bytes for a clean end (spec forwarding 4.2)', async () => {
    const { ours, theirs, stream, pump, end } = await setUp();
    await pauseReading(pump, stream, theirs);
    await written(theirs, 'half an answer');
    theirs.resetAndDestroy();
    await untilGone(ours);
    stream.room = 1000;
    pump.onWritable();
    await end;
    expect([String(stream.written), stream.finished, stream.resetCode]).toEqual([
      'xxhalf an answer',
      false,
      StreamErrorCode.connectionReset,
    ]);
  });

  it('treats FIN as a clean end, even if a reset follows it (spec forwarding 4.1)', async () => {
    const { ours, theirs, stream, pump } = await setUp();
    await pauseReading(pump, stream, theirs);
    const finished = once(theirs, 'finish');
    theirs.end('all of it');
    await finished;
    theirs.resetAndDestroy();
    await untilGone(ours);
    stream.room = 1000;
    pump.onWritable();
    await stream.until(() => stream.finished);
    expect([String(stream.written), stream.resetCode]).toEqual(['xxall of it', undefined]);
  });

  it('keeps carrying the bytes of a vanished program while they still move', async () => {
    const { ours, theirs, stream, pump, timers } = await setUp();
    stream.room = 10;
    pump.start();
    theirs.write(Buffer.alloc(1000));
    await stream.until(() => stream.room === 0);
    theirs.resetAndDestroy();
    await untilGone(ours);
    for (let i = 0; i < 5; i++) {
      stream.room = 10;
      pump.onWritable();
      timers.advance(WATCH_INTERVAL_MS);
      expect([stream.resetCode, stream.written.length]).toEqual([undefined, 20 + 10 * i]);
    }
    timers.advance(WATCH_INTERVAL_MS);
    expect(stream.resetCode).toBe(StreamErrorCode.connectionReset);
  });

  it('passes on nothing before the preface is complete, and resets if the stream ends within it', async () => {
    const { ours, theirs } = await socketPair();
    const stream = new FakeStream();
    const pump = new Pump({
      socket: ours,
      stream,
      watch: new SocketWatch(systemTimers),
      wake: () => undefined,
      preface: () => undefined,
      onEnd: () => undefined,
    });
    pump.start();
    const ending = howItEnds(theirs);
    stream.arrive('not');
    stream.arrive(' for the program');
    stream.arriveFin();
    pump.onReadable();
    expect(await ending).toBe('ECONNRESET');
    expect(theirs.bytesRead).toBe(0);
    expect([stream.resetCode, stream.stopCode]).toEqual([StreamErrorCode.cancelled, undefined]);
  });
});
