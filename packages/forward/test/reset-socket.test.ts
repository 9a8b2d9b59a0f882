import { EventEmitter, once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type ResettableSocket, resetSocket, resetSockets } from '../src/reset-socket.js';
import { howItEnds, socketPair } from './sockets.js';

describe('resetting a socket', () => {
  it('shows the other side a reset', async () => {
    const { ours, theirs } = await socketPair();
    const ending = howItEnds(theirs);
    resetSocket(ours);
    resetSocket(ours);
    expect(await ending).toBe('ECONNRESET');
  });

  it.each([
    ['in the same turn as the FIN', (then: () => void) => then()],
    ['one microtask later', (then: () => void) => queueMicrotask(then)],
    ['one tick later', (then: () => void) => process.nextTick(then)],
    ['one turn later', (then: () => void) => void setImmediate(then)],
  ])('%s closes the socket without an error', async (_when, defer) => {
    const { ours, theirs } = await socketPair();
    theirs.resume();
    const errors: Error[] = [];
    ours.on('error', (error) => errors.push(error));
    const closed = once(ours, 'close');
    ours.end('last');
    defer(() => resetSocket(ours));
    await closed;
    expect(errors).toEqual([]);
  });

  // spec forwarding 4.2: a unix socket has no RST
  it.each([
    ['TCP', { reset: () => 0 }, 'reset'],
    ['unix', {}, 'destroyed'],
    ['a closed one', null, 'reset'],
    ['one of this program', undefined, 'reset'],
  ])('resets a socket if its handle can: %s', (_kind, handle, outcome) => {
    const done: string[] = [];
    resetSocket({
      destroyed: false,
      _handle: handle,
      destroy: () => done.push('destroyed'),
      resetAndDestroy: () => done.push('reset'),
    } as unknown as ResettableSocket);
    expect(done).toEqual([outcome]);
  });

  it.each([
    ['is open', { writableEnded: false, writableFinished: false, writableLength: 0 }, true],
    ['has bytes before its FIN', { writableEnded: true, writableFinished: false, writableLength: 5 }, true],
    ['is sending its FIN', { writableEnded: true, writableFinished: false, writableLength: 0 }, false],
    ['has sent its FIN', { writableEnded: true, writableFinished: true, writableLength: 0 }, true],
  ])('waits only for a FIN that is being sent: a socket that %s', (_what, state, isNow) => {
    let resets = 0;
    const socket = Object.assign(new EventEmitter(), state, {
      destroyed: false,
      resetAndDestroy: () => resets++,
    });
    resetSocket(socket as unknown as ResettableSocket);
    expect(resets).toBe(isNow ? 1 : 0);
    socket.writableFinished = true;
    socket.emit('finish');
    expect(resets).toBe(1);
  });

  it('resolves for many when all are closed, whatever their state', async () => {
    const open = await socketPair();
    const ended = await socketPair();
    const gone = await socketPair();
    for (const { theirs } of [open, ended, gone]) theirs.on('error', () => undefined);
    ended.ours.end();
    gone.ours.destroy();
    await once(gone.ours, 'close');
    const sockets = [open, ended, gone].map(({ ours }) => ours);
    await resetSockets(sockets);
    expect(sockets.map((socket) => socket.closed)).toEqual([true, true, true]);
  });
});

it('waits for the event of a socket that is closed already and has not said so', async () => {
  const socket = Object.assign(new Duplex({ read() {}, write() {} }), { resetAndDestroy: () => undefined });
  let isTold = false;
  socket.once('close', () => {
    isTold = true;
  });
  socket.destroy();
  expect([socket.closed, isTold]).toEqual([true, false]);
  await resetSockets([socket]);
  expect(isTold).toBe(true);
});
