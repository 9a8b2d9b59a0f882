/** Pumps whose kernel is the test: it takes what a socket writes when the test says so. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { GATHER_BYTES } from '../src/forward-constants.js';
import { gatherBuffer } from '../src/gather-buffer.js';
import { Pump, type PumpSummary } from '../src/pump.js';
import { RateLimit } from '../src/rate-limit.js';
import { SocketWatch } from '../src/socket-watch.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class HeldSocket extends Duplex {
  /** The bytes that the kernel has accepted. */
  readonly taken: Buffer[] = [];
  isFinished = false;
  isReset = false;
  #held: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true, highWaterMark: 1000 });
  }
  setNoDelay(): void {}
  setKeepAlive(): void {}
  resetAndDestroy(): void {
    this.isReset = true;
    this.destroy();
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#held = () => {
      this.taken.push(Buffer.from(chunk));
      done();
    };
  }
  override _final(done: () => void): void {
    this.isFinished = true;
    done();
  }
  /** The kernel takes the write that waits. */
  async kernelTakes(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    held?.();
    await settled();
  }
}

class EagerSocket extends HeldSocket {
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.taken.push(Buffer.from(chunk));
    done();
  }
}

function setUp(limit?: RateLimit, socket = new HeldSocket()) {
  const stream = new FakeStream();
  const ends: PumpSummary[] = [];
  const pump = new Pump({
    socket: socket as unknown as Socket,
    stream,
    watch: new SocketWatch(new FakeTimers()),
    limit,
    wake: () => undefined,
    onEnd: (summary) => ends.push(summary),
  });
  return { socket, stream, pump, ends };
}

const text = (socket: HeldSocket): string => String(Buffer.concat(socket.taken));

describe('a pump to a slow reader', () => {
  // spec forwarding 4.4
  it('does not read the stream until the kernel has taken what there is, and then goes on by itself', async () => {
    const { socket, stream, pump } = setUp();
    stream.arrive(Buffer.alloc(2000, 'a'));
    pump.start();
    stream.arrive('b');
    pump.onReadable();
    expect([stream.bytesRead, pump.movedBytes]).toEqual([2000, 2000]);
    await socket.kernelTakes();
    expect(stream.bytesRead).toBe(2001);
    await socket.kernelTakes();
    expect(text(socket)).toBe(`${'a'.repeat(2000)}b`);
  });

  it('gathers at most one buffer at a time, and reads the rest in the same turn while there is room', async () => {
    const { socket, stream, pump } = setUp();
    stream.arrive(Buffer.alloc(GATHER_BYTES + 5, 'a'));
    pump.start();
    expect(stream.bytesRead).toBe(GATHER_BYTES);
    await socket.kernelTakes();
    expect(stream.bytesRead).toBe(GATHER_BYTES + 5);
  });

  it('keeps the bytes that the kernel has not taken apart from those of other pumps', async () => {
    const pumps = [setUp(), setUp(), setUp()];
    pumps.forEach(({ stream, pump }, index) => {
      stream.arrive(String(index).repeat(10));
      pump.start();
    });
    for (const { socket } of pumps) await socket.kernelTakes();
    expect(pumps.map(({ socket }) => text(socket))).toEqual(['0'.repeat(10), '1'.repeat(10), '2'.repeat(10)]);
  });

  it('leaves its buffer to the next pump when the kernel has taken the bytes at once', () => {
    const buffer = gatherBuffer.take();
    gatherBuffer.giveBack(buffer);
    for (let i = 0; i < 3; i++) {
      const { socket, stream, pump } = setUp(undefined, new EagerSocket());
      stream.arrive('abc');
      pump.start();
      expect(text(socket)).toBe('abc');
    }
    expect(gatherBuffer.take()).toBe(buffer);
  });

  // spec forwarding 4.3
  it('delivers the last bytes before it resets a program that nobody reads', async () => {
    const { socket, stream, pump, ends } = setUp();
    pump.start();
    pump.onStopped();
    stream.arrive('last words');
    stream.arriveFin();
    pump.onReadable();
    await settled();
    expect([socket.isReset, socket.isFinished]).toEqual([false, false]);
    await socket.kernelTakes();
    expect([text(socket), socket.isFinished, socket.isReset]).toEqual(['last words', true, true]);
    await settled();
    expect(ends).toEqual([{ bytesSent: 0, bytesReceived: 10, clean: false }]);
  });

  it('delivers them also if the stop comes behind the end', async () => {
    const { socket, stream, pump } = setUp();
    pump.start();
    stream.arrive('last words');
    stream.arriveFin();
    pump.onReadable();
    pump.onStopped();
    expect(socket.isReset).toBe(false);
    await socket.kernelTakes();
    expect([text(socket), socket.isReset]).toEqual(['last words', true]);
  });

  it('does not reset a program that has ended its direction', async () => {
    const { socket, stream, pump, ends } = setUp();
    pump.start();
    socket.push(null);
    await settled();
    expect(stream.finished).toBe(true);
    stream.arrive('answer');
    stream.arriveFin();
    pump.onReadable();
    await socket.kernelTakes();
    await settled();
    expect([text(socket), socket.isReset]).toEqual(['answer', false]);
    expect(ends).toEqual([{ bytesSent: 0, bytesReceived: 6, clean: true }]);
  });

  // spec forwarding 4.2
  it.each([
    ['both directions have ended', true, undefined],
    ['only the program has', false, undefined],
  ])('takes a reset of the stream when %s for a clean end or not: %s', async (_what, isOver) => {
    const { socket, stream, pump, ends } = setUp();
    pump.start();
    socket.push(null);
    await settled();
    if (isOver) {
      stream.arriveFin();
      pump.onReadable();
    }
    pump.onReset();
    await settled();
    expect([socket.isReset, ends[0]?.clean]).toEqual([!isOver, isOver]);
    expect(stream.stopCode).toBeUndefined();
  });

  it('resets both sides when its socket closes without a word', async () => {
    const { socket, stream, pump, ends } = setUp();
    pump.start();
    socket.destroy();
    await settled();
    expect([stream.resetCode, stream.stopCode]).toEqual([
      StreamErrorCode.connectionReset,
      StreamErrorCode.connectionReset,
    ]);
    expect(ends).toEqual([{ bytesSent: 0, bytesReceived: 0, clean: false }]);
  });
});

describe('a pump whose peer has had its share', () => {
  function setUpInDebt() {
    const timers = new FakeTimers();
    const limit = new RateLimit({ timers, now: timers.now });
    limit.set(1000);
    return { timers, limit, ...setUp(limit) };
  }

  // spec forwarding 4.8
  it('does not go on reading its program because the stream has room', async () => {
    const { socket, stream, pump, limit, timers } = setUpInDebt();
    stream.room = 1;
    pump.start();
    socket.push('ab');
    await settled();
    limit.toPeer.take(5000);
    stream.room = 100;
    pump.onWritable();
    expect([String(stream.written), socket.isPaused()]).toEqual(['ab', true]);
    timers.advance(6000);
    expect(socket.isPaused()).toBe(false);
  });

  it('does not go on either when its turn comes before there is room', async () => {
    const { socket, stream, pump, limit, timers } = setUpInDebt();
    stream.room = 1;
    pump.start();
    limit.toPeer.take(5000);
    socket.push('ab');
    await settled();
    timers.advance(6000);
    expect([socket.isPaused(), stream.written.length]).toEqual([true, 1]);
    stream.room = 100;
    pump.onWritable();
    expect([socket.isPaused(), stream.written.length]).toEqual([false, 2]);
  });

  it('leaves its turn to others when it ends', async () => {
    const { socket, pump, limit, timers } = setUpInDebt();
    limit.toPeer.take(5000);
    limit.fromPeer.take(5000);
    pump.start();
    socket.destroy();
    await settled();
    // The debt is paid, but nobody was woken yet.
    timers.advance(4802);
    const other = { onTurn: () => undefined };
    expect([limit.toPeer.admits(other), limit.fromPeer.admits(other)]).toEqual([true, true]);
  });
});
