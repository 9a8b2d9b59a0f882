/** A control socket that is removed at the moment at which another process looks whether anybody listens there. The test
 *  replaces `connect`, because only so it can come in between. */
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { askControl } from '../../src/control/control-client.js';
import { startControlServer } from '../../src/control/control-server.js';
import { temporaryDirectory } from '../temporary-directory.js';

const stage = vi.hoisted(() => ({ beforeConnect: () => {} }));
vi.mock('node:net', async (importOriginal) => {
  const net = await importOriginal<typeof import('node:net')>();
  const connect = (file: string) => {
    stage.beforeConnect();
    return net.connect(file);
  };
  return { ...net, connect };
});

it('a control socket that has just gone is opened again', async () => {
  const runtime = temporaryDirectory();
  mkdirSync(path.join(runtime, 'underpass'), { mode: 0o700 });
  const name = 'relay-0123456789ab.sock';
  const file = path.join(runtime, 'underpass', name);
  const former = createServer();
  await new Promise<void>((resolve) => former.listen(file, resolve));
  onTestFinished(() => void former.close());
  stage.beforeConnect = () => rmSync(file);
  const server = await startControlServer(
    name,
    { 'GET /status': () => 'new' },
    { environment: { XDG_RUNTIME_DIR: runtime } },
  );
  onTestFinished(() => server.close());
  expect(await askControl({ socket: file, method: 'GET', path: '/status' })).toBe('new');
});
