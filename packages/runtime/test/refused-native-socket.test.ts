import { expect, it, vi } from 'vitest';
import type { CLibrary } from '../src/c-library.js';
import { openUdpSocket } from '../src/index.js';

vi.mock(import('../src/c-library.js'), async (original) => ({
  ...(await original()),
  cLibrary: () => ({}) as CLibrary,
}));

vi.mock(import('../src/system-socket.js'), async (original) => ({
  ...(await original()),
  openNative: () => undefined,
}));

it('says that the system refuses a native socket, and not that something is missing', async () => {
  await expect(openUdpSocket({ port: 0, kind: 'native' })).rejects.toMatchObject({
    code: 'invalid-option',
    message: 'the native UDP socket cannot be used here: the system opens only a plain one',
    hint: 'choose the plain socket',
  });
});

it('leaves the port free if a native socket is required and the system refuses it', async () => {
  const free = await openUdpSocket({ host: '127.0.0.1', port: 0, kind: 'plain' });
  const options = { host: '127.0.0.1', port: free.address.port };
  await free.close();
  await expect(openUdpSocket({ ...options, kind: 'native' })).rejects.toMatchObject({
    code: 'invalid-option',
  });
  const again = await openUdpSocket({ ...options, kind: 'plain' });
  expect(again.address.port).toBe(options.port);
  await again.close();
});
