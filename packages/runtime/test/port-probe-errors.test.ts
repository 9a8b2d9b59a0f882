/** Errors of a socket that arrive once a probe has its answer. The test replaces `createSocket`, because it has to hold the
 *  socket of the probe. */
import type { Socket } from 'node:dgram';
import { expect, it, vi } from 'vitest';
import { probePort } from '../src/index.js';
import { FakeTimers } from './fake-endpoint.js';

const stage = vi.hoisted(() => ({ sockets: [] as Socket[] }));
vi.mock('node:dgram', async (importOriginal) => {
  const dgram = await importOriginal<typeof import('node:dgram')>();
  const createSocket = (type: 'udp4' | 'udp6') => {
    const socket = dgram.createSocket(type);
    stage.sockets.push(socket);
    return socket;
  };
  return { ...dgram, createSocket };
});

it('a probe that has its answer ignores a later error, which would end the program', async () => {
  const timers = new FakeTimers();
  const answer = probePort({ address: '127.0.0.1', port: 9 }, timers);
  const [socket] = stage.sockets;
  timers.advance(1_000);
  expect(await answer).toBeUndefined();
  expect(() => socket?.emit('error', new Error('ECONNREFUSED'))).not.toThrow();
  expect(stage.sockets).toHaveLength(1);
});
