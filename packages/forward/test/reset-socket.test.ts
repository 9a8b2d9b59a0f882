import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { resetSocket, resetSockets } from '../src/reset-socket.js';
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
