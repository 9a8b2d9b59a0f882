/** A control socket that is removed at the moment at which another process looks whether anybody listens there. The test
 *  replaces `connect`, because only so it can come in between. */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { askControl } from '../../src/control/control-client.js';
import { ControlSocketInUse, startControlServer } from '../../src/control/control-server.js';
import { temporaryDirectory } from '../temporary-directory.js';

const stage = vi.hoisted(() => ({ beforeConnect: () => {}, afterRefusal: () => {} }));
vi.mock('node:net', async (importOriginal) => {
  const net = await importOriginal<typeof import('node:net')>();
  const connect = (file: string) => {
    stage.beforeConnect();
    return net.connect(file).once('error', stage.afterRefusal);
  };
  return { ...net, connect };
});

const name = 'relay-0123456789ab.sock';

/** A directory of control sockets, and the path of the one that this process opens. */
function setUp() {
  const runtime = temporaryDirectory();
  mkdirSync(path.join(runtime, 'underpass'), { mode: 0o700 });
  const file = path.join(runtime, 'underpass', name);
  return { file, paths: { environment: { XDG_RUNTIME_DIR: runtime } } };
}

it('a control socket that has just gone is opened again', async () => {
  const { file, paths } = setUp();
  const former = createServer();
  await new Promise<void>((resolve) => former.listen(file, resolve));
  onTestFinished(() => void former.close());
  stage.beforeConnect = () => rmSync(file);
  const server = await startControlServer(name, { 'GET /status': () => 'new' }, paths);
  onTestFinished(() => server.close());
  expect(await askControl({ socket: file, method: 'GET', path: '/status' })).toBe('new');
});

it('a process that finds the socket of a killed one at the same time as another says that the other has it', async () => {
  const { file, paths } = setUp();
  const killed = createServer();
  await new Promise<void>((resolve) => killed.listen(file, resolve));
  renameSync(file, `${file}.left`);
  await new Promise((resolve) => killed.close(resolve));
  renameSync(`${file}.left`, file);
  const other = createServer();
  onTestFinished(() => void other.close());
  stage.beforeConnect = () => {};
  stage.afterRefusal = () => {
    rmSync(file);
    other.listen(file);
  };
  await expect(startControlServer(name, {}, paths)).rejects.toBeInstanceOf(ControlSocketInUse);
});
