/** What a flow's socket does with what the system says. The test replaces `createSocket`, because it has to hold the
 *  socket of the system. */
import { Socket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { bindFlowSocket, connectFlowSocket, FLOW_SOCKET_QUEUE_BYTES, type FlowSocket } from '../src/index.js';

const stage = vi.hoisted(() => ({ sockets: [] as import('node:dgram').Socket[] }));
vi.mock('node:dgram', async (importOriginal) => {
  const dgram = await importOriginal<typeof import('node:dgram')>();
  const createSocket = (options: import('node:dgram').SocketOptions) => {
    const socket = dgram.createSocket(options);
    stage.sockets.push(socket);
    return socket;
  };
  return { ...dgram, createSocket };
});

const opened: FlowSocket[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const socket of opened.splice(0)) socket.close();
  stage.sockets.length = 0;
});

const LOOPBACK = { address: '127.0.0.1', port: 0 };
const TO = { address: '127.0.0.1', port: 9 };
const message = Uint8Array.of(1, 2, 3);

/** A bound socket, that of the system behind it, and what its handler has heard. */
async function bound(options = {}) {
  const heard: unknown[] = [];
  const handler = {
    onMessage: (bytes: Uint8Array, from: unknown) => heard.push([bytes, from]),
    onError: (code: string) => heard.push(code),
  };
  const socket = await bindFlowSocket(LOOPBACK, handler, options);
  opened.push(socket);
  return { socket, system: stage.sockets.at(-1) as Socket, heard };
}

it('reports a message that the system refuses, and none that it takes', async () => {
  const { socket, system, heard } = await bound();
  const send = vi.spyOn(system, 'send').mockImplementation((...parameters: unknown[]) => {
    const callback = parameters.at(-1) as (error: Error | null) => void;
    callback(send.mock.calls.length === 1 ? null : Object.assign(new Error('send'), { code: 'EPERM' }));
  });
  socket.send(message, TO);
  expect(heard).toEqual([]);
  socket.send(message, TO);
  socket.send(message);
  expect(heard).toEqual(['EPERM', 'EPERM']);
  expect(send.mock.calls.map((parameters) => parameters.slice(0, -1))).toEqual([
    [message, 9, '127.0.0.1'],
    [message, 9, '127.0.0.1'],
    [message],
  ]);
});

it('drops messages while more than the limit wait for the system', async () => {
  const { socket, system } = await bound();
  const send = vi.spyOn(system, 'send').mockImplementation(() => {});
  const waiting = vi.spyOn(system, 'getSendQueueSize');
  for (const [bytes, sent] of [
    [FLOW_SOCKET_QUEUE_BYTES, 1],
    [FLOW_SOCKET_QUEUE_BYTES + 1, 1],
    [0, 2],
  ] as const) {
    waiting.mockReturnValue(bytes);
    socket.send(message, TO);
    expect(send).toHaveBeenCalledTimes(sent);
  }
  expect(FLOW_SOCKET_QUEUE_BYTES).toBe(65_536);
});

it('passes on neither a message from port 0, which cannot be answered, nor anything after closing', async () => {
  const { socket, system, heard } = await bound();
  for (const port of [0, 7]) system.emit('message', Buffer.from(message), { address: '192.0.2.1', port });
  system.emit('error', Object.assign(new Error('late'), { code: 'ECONNREFUSED' }));
  const before = [[Buffer.from(message), { address: '192.0.2.1', port: 7 }], 'ECONNREFUSED'];
  expect(heard).toEqual(before);
  socket.close();
  system.emit('message', Buffer.from(message), { address: '192.0.2.1', port: 7 });
  expect(() => system.emit('error', new Error('too late'))).not.toThrow();
  expect(heard).toEqual(before);
});

it('asks for room for messages only if many programs share the socket', async () => {
  const asked = vi.spyOn(Socket.prototype, 'setRecvBufferSize');
  await bound();
  expect(asked).not.toHaveBeenCalled();
  await bound({ isShared: true });
  expect(asked).toHaveBeenCalled();
});

it.runIf(process.platform === 'linux')(
  'leaves no descriptor open if it cannot be opened, at once or later',
  async () => {
    const { socket } = await bound();
    const handler = { onMessage: () => {} };
    const before = readdirSync('/proc/self/fd').length;
    await expect(bindFlowSocket(socket.address, handler)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(connectFlowSocket(LOOPBACK, handler)).rejects.toMatchObject({ code: 'ERR_SOCKET_BAD_PORT' });
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  },
);
