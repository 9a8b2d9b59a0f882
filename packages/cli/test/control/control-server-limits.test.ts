/** What a control socket costs its process: the test looks at the HTTP server behind it. */
import type { RequestListener, Server, ServerOptions } from 'node:http';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  CONTROL_REQUEST_TIMEOUT_MS,
  MAX_CONTROL_CONNECTIONS,
  MAX_CONTROL_HEAD_BYTES,
} from '../../src/control/control-limits.js';
import { ControlSocketInUse, startControlServer } from '../../src/control/control-server.js';
import { temporaryDirectory } from '../temporary-directory.js';

const stage = vi.hoisted(() => ({
  options: undefined as unknown,
  server: undefined as unknown,
  /** Why the next server cannot listen. */
  fails: undefined as string | undefined,
}));
vi.mock('node:http', async (original) => {
  const http = await original<typeof import('node:http')>();
  const createServer = (options: ServerOptions, listener: RequestListener) => {
    const server = http.createServer(options, listener);
    const { fails } = stage;
    Object.assign(stage, { options, server, fails: undefined });
    if (fails !== undefined) {
      const fail = () => server.emit('error', Object.assign(new Error(fails), { code: fails }));
      vi.spyOn(server, 'listen').mockImplementation(() => {
        process.nextTick(fail);
        return server;
      });
    }
    return server;
  };
  return { ...http, createServer };
});
const server = () => stage.server as Server;
/** How many pipes, which unix sockets are to Node, keep this process alive. */
const listening = () => process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length;

const NAME = 'relay-0123456789ab.sock';
let before = 0;
let directory = '';
beforeEach(async () => {
  before = listening();
  directory = temporaryDirectory();
  const environment = { XDG_RUNTIME_DIR: directory };
  const control = await startControlServer(NAME, {}, { environment });
  onTestFinished(() => control.close());
});

describe('a control socket', () => {
  it('does not keep its process alive', () => {
    expect(listening()).toBeLessThanOrEqual(before);
  });

  it('gives heads of requests a limited time and length, and connections that go on no limit', () => {
    const { connectionsCheckingInterval = 0, ...limits } = stage.options as ServerOptions;
    expect(limits).toEqual({
      maxHeaderSize: MAX_CONTROL_HEAD_BYTES,
      headersTimeout: CONTROL_REQUEST_TIMEOUT_MS,
      requestTimeout: 0,
    });
    expect(connectionsCheckingInterval).toBeLessThan(CONTROL_REQUEST_TIMEOUT_MS);
    const { maxConnections, keepAliveTimeout, timeout } = server();
    expect([maxConnections, keepAliveTimeout, timeout]).toEqual([MAX_CONTROL_CONNECTIONS, 0, 0]);
  });

  it('lets its process go on when a connection cannot be accepted', () => {
    expect(() => server().emit('error', new Error('accept EMFILE'))).not.toThrow();
  });

  it('is left without a connection by a process that looks whether anybody answers', async () => {
    const [first, environment] = [server(), { XDG_RUNTIME_DIR: directory }];
    await expect(startControlServer(NAME, {}, { environment })).rejects.toBeInstanceOf(ControlSocketInUse);
    // It arrives, and is gone again.
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    const count = new Promise((resolve) =>
      first.getConnections((_error, connections) => resolve(connections)),
    );
    expect(await count).toBe(0);
  });

  it('that cannot be opened says where, why, and what to look at', async () => {
    stage.fails = 'ENOSPC';
    const elsewhere = temporaryDirectory();
    const environment = { XDG_RUNTIME_DIR: elsewhere };
    await expect(startControlServer(NAME, {}, { environment })).rejects.toMatchObject({
      message: `cannot open the control socket ${path.join(elsewhere, 'underpass', NAME)} (ENOSPC)`,
      hint: 'check the directory and the disk',
      cause: { code: 'ENOSPC' },
    });
  });
});
