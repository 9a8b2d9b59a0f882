import { once } from 'node:events';
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { encodeRequest, encodeStatus, type RequestStatus } from '../src/request.js';
import type { TunnelError } from '../src/tunnel-error.js';
import type { TunnelSocket } from '../src/tunnel-socket.js';
import { type Dialled, dial, TARGET } from './dialled-socket.js';
import type { FakeStream } from './fake-stream.js';

const REQUEST = Buffer.from(encodeRequest({ kind: 'tcp', ...TARGET }));
const OPENED = encodeStatus('opened');

/** Notes when a socket has nothing left to send. */
function watchDelivery({ delivered }: TunnelSocket): { readonly isOver: boolean } {
  const delivery = { isOver: false };
  void delivered.then(() => {
    delivery.isOver = true;
  });
  return delivery;
}

/** What was written after the request. */
function sent(stream: FakeStream): string {
  expect(stream.written.subarray(0, REQUEST.length).equals(REQUEST)).toBe(true);
  return String(stream.written.subarray(REQUEST.length));
}

async function failureOf(socket: TunnelSocket): Promise<TunnelError> {
  const [error] = (await once(socket, 'error')) as [TunnelError];
  if (!socket.closed) await once(socket, 'close');
  return error;
}

describe('a dialled socket', () => {
  it('sends its request and what was written before there was a stream, then FIN (spec forwarding 2.1)', () => {
    const { socket, stream, open } = dial({ allowHalfOpen: true });
    socket.write('first, ');
    socket.end('last');
    expect(stream.written.length).toBe(0);
    open();
    process.nextTick(() => undefined);
    return stream.until(() => stream.finished).then(() => expect(sent(stream)).toBe('first, last'));
  });

  it('emits connect with the status and delivers the bytes behind it', async () => {
    const { socket, open, arrive, heard } = dial();
    open();
    expect(socket.connecting).toBe(true);
    const connected = once(socket, 'connect');
    const data = once(socket, 'data');
    arrive(Buffer.concat([OPENED, Buffer.from('answer')]));
    await connected;
    expect(socket.connecting).toBe(false);
    expect(String((await data)[0])).toBe('answer');
    expect(heard).toEqual(['opened']);
  });

  it('learns the status even when nobody reads', async () => {
    const { socket, open, arrive } = dial();
    open();
    const connected = once(socket, 'connect');
    arrive(OPENED);
    await connected;
  });

  it('ends each direction by itself and closes cleanly', async () => {
    const { socket, stream, open, arrive, fin, heard } = dial({ allowHalfOpen: true });
    open();
    arrive(OPENED);
    arrive('answer');
    fin();
    const ended = once(socket, 'end');
    expect(String((await once(socket, 'data'))[0])).toBe('answer');
    await ended;
    const closed = once(socket, 'close');
    socket.end('and more');
    await closed;
    expect(sent(stream)).toBe('and more');
    expect([stream.finished, stream.resetCode, stream.stopCode]).toEqual([true, undefined, undefined]);
    expect(heard).toEqual(['opened', 'clean, 8 out, 6 in']);
  });

  it('ends by itself after the target, as net.connect does by default', async () => {
    const { socket, stream, open, arrive, fin } = dial();
    open();
    arrive(OPENED);
    fin();
    socket.resume();
    await once(socket, 'close');
    expect(stream.finished).toBe(true);
  });

  it('holds a write back while the stream has no room, and keeps its own copy', async () => {
    const { socket, stream, open, handler } = dial();
    open();
    stream.room = 3;
    const buffer = Buffer.from('abcdef');
    let isDone = false;
    const done = new Promise<void>((resolve) =>
      socket.write(buffer, () => {
        isDone = true;
        resolve();
      }),
    );
    buffer.fill('x');
    expect([sent(stream), isDone]).toEqual(['abc', false]);
    stream.room = 100;
    handler().onWritable?.();
    await done;
    expect(sent(stream)).toBe('abcdef');
  });

  it('does not read the stream while nobody reads the socket (spec forwarding 4.4)', async () => {
    const { socket, stream, open, arrive } = dial();
    open();
    arrive(OPENED);
    const chunk = new Uint8Array(64 * 1024);
    for (let i = 0; i < 10; i++) arrive(chunk);
    const before = stream.bytesRead;
    expect(before).toBeLessThan(3 * chunk.length);
    socket.resume();
    await stream.until(() => stream.bytesRead === 1 + 10 * chunk.length);
  });

  it.each<[RequestStatus, string]>([
    ['not-allowed', 'EACCES'],
    ['name-not-found', 'ENOTFOUND'],
    ['connection-refused', 'ECONNREFUSED'],
    ['unreachable', 'EHOSTUNREACH'],
    ['timed-out', 'ETIMEDOUT'],
  ])('that is refused with %s fails with %s and no byte (spec forwarding 2.2)', async (status, code) => {
    const { socket, stream, open, arrive, heard } = dial();
    open();
    const failure = failureOf(socket);
    arrive(Buffer.concat([encodeStatus(status), Buffer.from('not to be handed on')]));
    expect(await failure).toMatchObject({ code, failure: status, message: `because: ${status}` });
    expect(socket.bytesRead).toBe(0);
    expect([stream.resetCode, stream.stopCode]).toEqual([StreamErrorCode.refused, StreamErrorCode.refused]);
    expect(heard).toEqual([status, 'not clean, 0 out, 0 in']);
  });

  it('fails when no stream can be opened, and when the stream ends before the status', async () => {
    const first = dial();
    const failure = failureOf(first.socket);
    first.refuse();
    expect((await failure).failure).toBe('too-many-streams');

    const second = dial();
    second.open();
    const ended = failureOf(second.socket);
    second.fin();
    expect((await ended).failure).toBe('internal-error');
  });

  it('fails when the relay is not reached in time, also before there is a stream', async () => {
    const { socket, giveUp } = dial();
    const failure = failureOf(socket);
    giveUp();
    expect(await failure).toMatchObject({ failure: 'relay-not-reached', code: 'ETIMEDOUT' });
  });

  it.each([
    ['reset', StreamErrorCode.connectionReset],
    ['connection-lost', StreamErrorCode.connectionLost],
  ])('fails with %s when the stream is reset', async (failure, code) => {
    const { socket, stream, open, arrive, handler, heard } = dial();
    open();
    arrive(OPENED);
    const failed = failureOf(socket);
    handler().onReset?.(code);
    expect(await failed).toMatchObject({ failure, code: 'ECONNRESET' });
    expect(stream.resetCode).toBe(StreamErrorCode.cancelled);
    expect(heard.at(-1)).toBe('not clean, 0 out, 0 in');
  });

  it.each(['destroy', 'resetAndDestroy'] as const)('resets what is open on %s', async (method) => {
    const { socket, stream, open, arrive } = dial();
    open();
    arrive(OPENED);
    socket[method]();
    expect(socket.destroyed).toBe(true);
    await once(socket, 'close');
    expect([stream.resetCode, stream.stopCode]).toEqual([
      StreamErrorCode.cancelled,
      StreamErrorCode.cancelled,
    ]);
  });

  it('is destroyed by its signal, before there is a stream too', async () => {
    const abort = new AbortController();
    const { socket } = dial({ signal: abort.signal });
    const failed = once(socket, 'error');
    abort.abort();
    expect(((await failed)[0] as Error).name).toBe('AbortError');
    if (!socket.closed) await once(socket, 'close');
  });

  it.each<[string, (socket: Dialled) => void]>([
    ['is destroyed before it has a stream', ({ socket }) => socket.destroy()],
    ['is given up', ({ giveUp }) => giveUp()],
    ['gets no stream', ({ refuse }) => refuse()],
  ])('has nothing left to send when it %s', async (_, end) => {
    const dialled = dial();
    dialled.socket.on('error', () => undefined);
    const delivery = watchDelivery(dialled.socket);
    end(dialled);
    if (!dialled.socket.closed) await once(dialled.socket, 'close');
    await new Promise(setImmediate);
    expect(delivery.isOver).toBe(true);
  });

  it('has something left to send until its stream is over, although it is closed', async () => {
    const { socket, open, handler } = dial();
    open();
    const delivery = watchDelivery(socket);
    socket.destroy();
    await once(socket, 'close');
    await new Promise(setImmediate);
    expect(delivery.isOver).toBe(false);
    handler().onClosed?.();
    await new Promise(setImmediate);
    expect(delivery.isOver).toBe(true);
  });

  it('delivers what the target sent before it stopped reading, and then fails (spec forwarding 4.3)', async () => {
    const { socket, open, arrive, fin, handler } = dial({ allowHalfOpen: true });
    open();
    arrive(OPENED);
    handler().onStopped?.(StreamErrorCode.connectionReset);
    socket.write('nobody reads this');
    arrive('the last words');
    fin();
    const failed = failureOf(socket);
    expect(String((await once(socket, 'data'))[0])).toBe('the last words');
    expect(await failed).toMatchObject({ failure: 'not-read', code: 'EPIPE' });
  });

  it('emits timeout after a time without bytes', () => {
    const { socket, open, arrive, timers } = dial();
    open();
    arrive(OPENED);
    let timeouts = 0;
    socket.setTimeout(1000, () => {
      timeouts++;
    });
    socket.resume();
    timers.advance(900);
    socket.write('x');
    timers.advance(900);
    expect(timeouts).toBe(0);
    timers.advance(100);
    expect(timeouts).toBe(1);
  });
});
