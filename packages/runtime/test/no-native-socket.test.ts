import { expect, it, vi } from 'vitest';
import { openUdpSocket } from '../src/index.js';

vi.mock(import('../src/c-library.js'), async (original) => ({
  ...(await original()),
  cLibrary: () => undefined,
}));

it('explains that there is no native socket here, if one is required', async () => {
  await expect(openUdpSocket({ port: 0, kind: 'native' })).rejects.toMatchObject({
    code: 'invalid-option',
    hint: 'install koffi, or choose the plain socket',
  });
});

it('opens a plain socket where there is no native one', async () => {
  const socket = await openUdpSocket({ port: 0 });
  expect(socket).toMatchObject({ kind: 'plain', segments: false, coalesces: false });
  await socket.close();
});
