/** A socket through the tunnel: its addresses and state, late events, and what is left when it closes. */
import { once } from 'node:events';
import { StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { encodeStatus } from '../src/request.js';
import { SocketWatch } from '../src/socket-watch.js';
import { type AcceptedStream, TunnelSocket } from '../src/tunnel-socket.js';
import { type Dialled, dial } from './dialled-socket.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';

const OPENED = encodeStatus('opened');

/** Resolves when the socket is closed, with or without an error. */
const closed = (socket: TunnelSocket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A visitor of this program, on a stream whose request was answered. */
function accept(accepted: Partial<AcceptedStream> = {}) {
  const timers = new FakeTimers();
  const stream = new FakeStream();
  const heard: string[] = [];
  let handler: StreamHandler = {};
  let wakes = 0;
  const tunnel = {
    attach: (_stream: unknown, attached: StreamHandler) => {
      handler = attached;
    },
    wake: () => void wakes++,
  };
  const observer = {
    onOpened: () => heard.push('opened'),
    onRefused: (status: string) => heard.push(status),
    onEnd: ({
      clean,
      bytesSent,
      bytesReceived,
    }: {
      clean: boolean;
      bytesSent: number;
      bytesReceived: number;
    }) => heard.push(`${clean ? 'clean' : 'not clean'}, ${bytesSent} out, ${bytesReceived} in`),
  };
  const socket = TunnelSocket.accept(
    {
      stream,
      link: { tunnel, watch: new SocketWatch(timers), observer },
      firstBytes: new Uint8Array(0),
      isStopped: false,
      remote: { address: '192.0.2.7', port: 4711 },
      ...accepted,
    },
    { explain: (failure) => `because: ${failure}`, timers },
    { allowHalfOpen: true },
  );
  return { socket, stream, heard, timers, handler, wakes: () => wakes };
}

describe('a socket of a visitor', () => {
  it('is connected at once, knows where it comes from, and asks for nothing', () => {
    const { socket, stream } = accept();
    expect([socket.connecting, socket.pending]).toEqual([false, false]);
    expect([socket.remoteAddress, socket.remotePort]).toEqual(['192.0.2.7', 4711]);
    expect(stream.written.length).toBe(0);
  });

  it('begins with the bytes that came with the request, and counts them', async () => {
    const { socket, stream, handler, heard } = accept({ firstBytes: Buffer.from('first ') });
    stream.arrive('second');
    stream.arriveFin();
    handler.onReadable?.();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'end');
    expect(String(Buffer.concat(chunks))).toBe('first second');
    socket.end('bye');
    await once(socket, 'close');
    expect(String(stream.written)).toBe('bye');
    expect(heard).toEqual(['clean, 3 out, 12 in']);
  });

  it('sends nothing to a visitor that had stopped reading, and fails behind its last bytes (spec forwarding 4.3)', async () => {
    const { socket, stream, handler } = accept({ isStopped: true, firstBytes: Buffer.from('last') });
    socket.write('nobody reads this');
    const failed = once(socket, 'error');
    expect(String((await once(socket, 'data'))[0])).toBe('last');
    stream.arriveFin();
    handler.onReadable?.();
    expect((await failed)[0]).toMatchObject({ failure: 'not-read' });
    expect([stream.written.length, stream.resetCode, stream.finished]).toEqual([0, undefined, false]);
  });

  it('finishes nothing of a visitor that had stopped reading', async () => {
    const { socket, stream, handler, heard } = accept({ isStopped: true });
    socket.end();
    stream.arriveFin();
    handler.onReadable?.();
    socket.resume();
    await once(socket, 'close');
    expect([stream.finished, stream.resetCode]).toEqual([false, undefined]);
    expect(heard).toEqual(['clean, 0 out, 0 in']);
  });
});

describe('a dialled socket', () => {
  it('is pending until it is connected, and is ready at the same time', async () => {
    const { socket, open, arrive } = dial();
    open();
    expect([socket.pending, socket.connecting, socket.remoteAddress]).toEqual([true, true, undefined]);
    const heard: string[] = [];
    socket
      .on('connect', () => heard.push(`connect ${socket.pending}`))
      .on('ready', () => heard.push('ready'));
    arrive(OPENED);
    expect(heard).toEqual(['connect false', 'ready']);
  });

  it.each<[string, (dialled: Dialled) => void]>([
    ['destroyed', ({ socket }) => void socket.destroy()],
    ['refused', ({ arrive }) => arrive(encodeStatus('not-allowed'))],
    ['given up', ({ giveUp }) => giveUp()],
  ])('is no longer connecting once it is %s', (_what, end) => {
    const dialled = dial();
    dialled.socket.on('error', () => undefined);
    dialled.open();
    end(dialled);
    expect(dialled.socket.connecting).toBe(false);
  });

  it('ends the write that waits when it is destroyed, with the reason', async () => {
    const reasons: (string | undefined)[] = [];
    for (const error of [undefined, new Error('enough')]) {
      const { socket, stream, open } = dial();
      open();
      stream.room = 0;
      socket.on('error', () => undefined);
      socket.write('waits', (failure) => reasons.push(failure?.message));
      socket.destroy(error);
      await closed(socket);
    }
    expect(reasons).toEqual(['because: reset', 'enough']);
  });

  it('that ends with a failure is never clean, and one that both sides ended is', async () => {
    const both = dial({ allowHalfOpen: true });
    both.open();
    both.arrive(OPENED);
    both.socket.on('error', () => undefined).end();
    both.fin();
    both.socket.destroy(new Error('of the program'));
    await closed(both.socket);
    expect(both.heard).toEqual(['opened', 'not clean, 0 out, 0 in']);
  });

  it('does not mind a reset behind both ends (spec forwarding 4.2)', async () => {
    const { socket, stream, open, arrive, fin, handler, heard } = dial({ allowHalfOpen: true });
    open();
    socket.resume();
    await settled();
    arrive(OPENED);
    arrive('last');
    await settled();
    fin();
    socket.end();
    await stream.until(({ finished }) => finished);
    handler().onReset?.(StreamErrorCode.connectionReset);
    await closed(socket);
    expect(heard).toEqual(['opened', 'clean, 0 out, 4 in']);
  });

  it('has its failure of the moment, whatever is reset later', async () => {
    const { socket, open, arrive, handler, heard } = dial();
    const errors: string[] = [];
    socket.on('error', (error) => errors.push(error.message));
    open();
    arrive(encodeStatus('unreachable'));
    handler().onReset?.(StreamErrorCode.refused);
    arrive('late');
    await closed(socket);
    expect(errors).toEqual(['because: unreachable']);
    expect(heard).toEqual(['unreachable', 'not clean, 0 out, 0 in']);
  });

  it('is refused with an internal error when its stream is reset before the status', async () => {
    const { socket, open, handler, heard } = dial();
    open();
    const failed = once(socket, 'error');
    handler().onReset?.(StreamErrorCode.internal);
    const over = closed(socket);
    expect((await failed)[0]).toMatchObject({ failure: 'internal-error' });
    await over;
    expect(heard).toEqual(['internal-error', 'not clean, 0 out, 0 in']);
  });

  it('leaves a direction that has ended alone when it is destroyed (spec forwarding 4.2)', async () => {
    const sent = dial({ allowHalfOpen: true });
    sent.open();
    sent.arrive(OPENED);
    sent.socket.end();
    await sent.stream.until(({ finished }) => finished);
    sent.socket.destroy();
    expect([sent.stream.resetCode, sent.stream.stopCode]).toEqual([undefined, StreamErrorCode.cancelled]);

    const received = dial({ allowHalfOpen: true });
    received.open();
    received.arrive(OPENED);
    received.fin();
    received.socket.destroy();
    expect([received.stream.resetCode, received.stream.stopCode]).toEqual([
      StreamErrorCode.cancelled,
      undefined,
    ]);
  });
});

describe('a socket that has something to say before or after it can', () => {
  it('is finished as soon as it has a stream if it was ended without a byte', async () => {
    const { socket, stream, open } = dial();
    socket.end();
    await settled();
    expect(stream.finished).toBe(false);
    open();
    expect(stream.finished).toBe(true);
  });

  it('counts what came together with the status, and not the status', async () => {
    const { socket, open, arrive, heard } = dial();
    open();
    arrive(Buffer.concat([OPENED, Buffer.from('answer')]));
    expect(socket.bytesRead).toBe(6);
    socket.destroy();
    await closed(socket);
    expect(heard).toEqual(['opened', 'not clean, 0 out, 6 in']);
  });

  it('lets a program go on that writes to a target that does not read (spec forwarding 4.3)', async () => {
    const { socket, stream, open, arrive, handler } = dial({ allowHalfOpen: true });
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    open();
    arrive(OPENED);
    stream.room = 0;
    const done: string[] = [];
    socket.write('waits', () => done.push('waits'));
    handler().onStopped?.(StreamErrorCode.connectionReset);
    socket.write('comes later', () => done.push('comes later'));
    await settled();
    expect([done, stream.written.length > 0]).toEqual([['waits', 'comes later'], true]);
    socket.destroy();
    await closed(socket);
    expect(errors).toEqual([]);
  });

  it('fails at once if the target that does not read has said everything before', async () => {
    const { socket, open, arrive, fin, handler } = dial({ allowHalfOpen: true });
    open();
    arrive(OPENED);
    socket.resume();
    fin();
    await settled();
    handler().onStopped?.(StreamErrorCode.connectionReset);
    const failed = once(socket, 'error');
    socket.write('nobody reads this');
    expect((await failed)[0]).toMatchObject({ failure: 'not-read' });
  });

  it('fails when the connection is lost although the target has said everything before', async () => {
    const { socket, open, arrive, fin, handler } = dial({ allowHalfOpen: true });
    open();
    arrive(OPENED);
    socket.resume();
    fin();
    const failed = once(socket, 'error');
    handler().onReset?.(StreamErrorCode.connectionLost);
    expect((await failed)[0]).toMatchObject({ failure: 'connection-lost' });
  });

  it('sends what a visitor is answered at once', async () => {
    const { socket, wakes } = accept();
    const before = wakes();
    socket.write('answer');
    expect(wakes()).toBeGreaterThan(before);
  });
});

describe('a socket that is destroyed', () => {
  it('before the status cancels its request, and after an end without a status refuses the rest', async () => {
    const cancelled = dial();
    cancelled.open();
    cancelled.socket.destroy();
    expect(cancelled.stream.resetCode).toBe(StreamErrorCode.cancelled);
    const refused = dial();
    refused.open();
    refused.socket.on('error', () => undefined);
    refused.fin();
    expect(refused.stream.resetCode).toBe(StreamErrorCode.refused);
  });

  it('by a reset of the target does not ask it to stop', () => {
    const { socket, stream, open, arrive, handler } = dial();
    socket.on('error', () => undefined);
    open();
    arrive(OPENED);
    handler().onReset?.(StreamErrorCode.connectionReset);
    expect([stream.resetCode, stream.stopCode]).toEqual([StreamErrorCode.cancelled, undefined]);
  });

  it.each<[string, (dialled: Dialled) => unknown]>([
    [
      'only it has ended',
      ({ socket, stream }) => {
        socket.end();
        return stream.until(({ finished }) => finished);
      },
    ],
    ['only the target has ended', ({ fin }) => fin()],
  ])('has not ended cleanly when %s', async (_what, end) => {
    const dialled = dial({ allowHalfOpen: true });
    dialled.open();
    dialled.arrive(OPENED);
    await end(dialled);
    dialled.socket.destroy();
    await closed(dialled.socket);
    expect(dialled.heard).toEqual(['opened', 'not clean, 0 out, 0 in']);
  });
});

describe('the timeout of a dialled socket', () => {
  it('is off until it is set', async () => {
    const { socket, open, arrive, timers } = dial();
    open();
    arrive(OPENED);
    socket.write('x');
    expect([socket.timeout, timers.pending]).toEqual([0, 0]);
  });

  function setUp() {
    const dialled = dial({ allowHalfOpen: true });
    dialled.open();
    dialled.arrive(OPENED);
    dialled.socket.resume();
    let timeouts = 0;
    dialled.socket.on('timeout', () => timeouts++);
    return { ...dialled, timeouts: () => timeouts };
  }

  it('begins again with every byte in either direction, and comes once for each silence', async () => {
    const { socket, timers, arrive, timeouts } = setUp();
    expect(socket.setTimeout(1000)).toBe(socket);
    expect(socket.timeout).toBe(1000);
    for (const move of [() => arrive('x'), () => void socket.write('y'), () => arrive('z')]) {
      timers.advance(999);
      move();
      await settled();
    }
    timers.advance(999);
    expect([timeouts(), timers.pending]).toEqual([0, 1]);
    timers.advance(1);
    timers.advance(10_000);
    expect([timeouts(), timers.pending]).toEqual([1, 0]);
    socket.write('again');
    timers.advance(1000);
    expect(timeouts()).toBe(2);
  });

  it('is turned off by 0, without a listener for it', () => {
    const { socket, timers, timeouts } = setUp();
    socket.setTimeout(1000);
    const before = socket.listenerCount('timeout');
    socket.setTimeout(0, () => undefined);
    expect([socket.listenerCount('timeout'), timers.pending]).toEqual([before, 0]);
    socket.write('x');
    timers.advance(10_000);
    expect([timeouts(), timers.pending]).toEqual([0, 0]);
  });

  it('ends with the socket', () => {
    const { socket, timers, timeouts } = setUp();
    socket.setTimeout(1000);
    socket.destroy();
    expect(timers.pending).toBe(0);
    socket.setTimeout(1000);
    timers.advance(10_000);
    expect([timeouts(), timers.pending]).toEqual([0, 0]);
  });
});
