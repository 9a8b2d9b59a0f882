import { readdirSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { canShareSockets, openSocketGroup } from '../src/index.js';
import type * as nativeSocket from '../src/native-socket.js';
import { SOCKET_BUFFER_BYTES } from '../src/system-socket.js';

/** What the kernel refuses. */
const refused = { steering: false, socketsAfter: Number.POSITIVE_INFINITY };
let opened = 0;
/** The sizes of the buffers that were asked for. */
const buffers: number[] = [];

vi.mock(import('../src/native-socket.js'), async (original) => {
  const real: typeof nativeSocket = await original();
  return {
    ...real,
    attachSteering: (...parameters) => !refused.steering && real.attachSteering(...parameters),
    openDescriptor: (...parameters) => {
      buffers.push(parameters[0].bufferBytes);
      return opened++ < refused.socketsAfter ? real.openDescriptor(...parameters) : undefined;
    },
  };
});

afterEach(() => {
  Object.assign(refused, { steering: false, socketsAfter: Number.POSITIVE_INFINITY });
  opened = 0;
  buffers.length = 0;
});

const descriptors = () => readdirSync('/proc/self/fd').length;

it.runIf(canShareSockets()).each([
  ['datagrams cannot be steered', { steering: true }],
  ['only some of the sockets can be opened', { socketsAfter: 2 }],
])('leaves no socket of a group open if %s, and says what to do', async (_what, difference) => {
  Object.assign(refused, difference);
  const before = descriptors();
  await expect(openSocketGroup({ host: '127.0.0.1', port: 0, count: 3 })).rejects.toMatchObject({
    code: 'cannot-bind',
    message: 'this machine cannot divide the datagrams of a port among processes',
    hint: 'it takes Linux and the package koffi: leave out --workers',
  });
  expect(descriptors()).toBe(before);
});

it.runIf(canShareSockets())(
  'asks for the same buffers for each socket of a group as for one alone',
  async () => {
    const group = await openSocketGroup({ host: '127.0.0.1', port: 0, count: 3 });
    group.close();
    expect(buffers).toEqual(Array(3).fill(SOCKET_BUFFER_BYTES));
  },
);
