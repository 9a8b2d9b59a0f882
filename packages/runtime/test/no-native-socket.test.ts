import { expect, it, vi } from 'vitest';
import { canShareSockets, openSocketGroup, openUdpSocket } from '../src/index.js';

vi.mock(import('../src/c-library.js'), async (original) => ({
  ...(await original()),
  cLibrary: () => undefined,
  cLibraryProblem: () => 'openbsd on arm64',
}));

it('explains why there is no native socket here, if one is required', async () => {
  await expect(openUdpSocket({ port: 0, kind: 'native' })).rejects.toMatchObject({
    code: 'invalid-option',
    message:
      'the native UDP socket cannot be used here (openbsd on arm64): it takes Linux on x64 or arm64, and the package koffi',
    hint: 'install koffi, or choose the plain socket',
  });
});

it('explains that processes cannot share a port here, and what to do', async () => {
  expect(canShareSockets()).toBe(false);
  await expect(openSocketGroup({ port: 0, count: 2 })).rejects.toMatchObject({
    code: 'cannot-bind',
    message: 'this machine cannot divide the datagrams of a port among processes',
    hint: 'it takes Linux and the package koffi: leave out --workers',
  });
});

it('opens a plain socket where there is no native one', async () => {
  const socket = await openUdpSocket({ port: 0 });
  expect(socket).toMatchObject({ kind: 'plain', segments: false, coalesces: false });
  await socket.close();
});
