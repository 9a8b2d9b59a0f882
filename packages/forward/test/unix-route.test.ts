import { once } from 'node:events';
import { linkSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, Socket as NetSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RouteOutcome } from '../src/dial-service.js';
import { DIAL_TIMEOUT_MS } from '../src/forward-constants.js';
import { UnixRoute, type UnixRouteOptions } from '../src/unix-route.js';
import { FakeTimers } from './fake-timers.js';
import { rules } from './rules.js';

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'route-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

async function listen(path: string): Promise<void> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket)).listen(path);
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, 'listening');
}

function routeTo(path: string, options: Partial<UnixRouteOptions> = {}) {
  const timers = new FakeTimers();
  const all = { rules: () => rules(`unix:${path}`), ...options };
  const route = new UnixRoute({ path }, all, { timers, now: timers.now });
  let cancel = (): void => undefined;
  const outcome = new Promise<RouteOutcome>((resolve) => {
    cancel = route.connect(timers.now() + DIAL_TIMEOUT_MS, resolve);
  });
  void outcome.then((found) => {
    if (found.ok) found.socket.destroy();
  });
  return { route, timers, outcome, cancel };
}

// spec forwarding 3.7
describe('a route to a unix socket', () => {
  it('connects to the path that a rule names', async () => {
    const path = join(directory(), 'app.sock');
    await listen(path);
    const { route, outcome, timers } = routeTo(path);
    expect(route.judge()).toBeUndefined();
    expect(await outcome).toMatchObject({ ok: true, address: `unix:${path}` });
    expect(timers.pending).toBe(0);
  });

  it.each([[['*:*']], [['unix:/run/other.sock']], [['localhost:*', '0.0.0.0/0:*']], [[]]])(
    'is refused under %j (spec forwarding 3.7: "no rule for hosts")',
    (allowed) => {
      const { route } = routeTo('/run/app.sock', { rules: () => rules(...allowed) });
      expect(route.judge()).toBe(
        'no rule allows unix:/run/app.sock; to allow it, add the rule unix:/run/app.sock',
      );
    },
  );

  it('asks the rules again before it connects, because they may have changed meanwhile', async () => {
    const path = join(directory(), 'app.sock');
    await listen(path);
    let allowed = rules(`unix:${path}`);
    const { outcome } = routeTo(path, { rules: () => allowed });
    allowed = [];
    expect(await outcome).toMatchObject({ ok: false, status: 'not-allowed' });
  });

  it('never leads to a socket of the relay, by its path or by a link (spec forwarding 3.7: "MUST NOT connect a peer to a socket of its own")', async () => {
    const folder = directory();
    const own = join(folder, 'control.sock');
    await listen(own);
    symlinkSync(own, join(folder, 'symbolic.sock'));
    linkSync(own, join(folder, 'hard.sock'));
    for (const name of ['control.sock', 'symbolic.sock', 'hard.sock']) {
      const { outcome } = routeTo(join(folder, name), { ownSockets: () => [own] });
      expect(await outcome).toEqual({
        ok: false,
        status: 'not-allowed',
        advice: `unix:${join(folder, name)} belongs to the relay itself`,
      });
    }
    const other = join(folder, 'app.sock');
    await listen(other);
    expect((await routeTo(other, { ownSockets: () => [own, '/none'] }).outcome).ok).toBe(true);
  });

  // spec forwarding 2.4
  it('says why it failed', async () => {
    const folder = directory();
    expect(await routeTo(join(folder, 'none')).outcome).toMatchObject({ status: 'name-not-found' });
    writeFileSync(join(folder, 'file'), '');
    expect(await routeTo(join(folder, 'file')).outcome).toMatchObject({ status: 'connection-refused' });
    expect(await routeTo(join(folder, 'file', 'x')).outcome).toMatchObject({ status: 'name-not-found' });
  });

  /** A connection that the test completes or fails. */
  async function played() {
    const socket = new NetSocket();
    onTestFinished(() => void socket.destroy());
    const parts = routeTo('/run/app.sock', { connectUnix: () => socket });
    await new Promise((resolve) => setImmediate(resolve));
    return { ...parts, socket };
  }

  it.each([
    ['ENOENT', 'name-not-found', 'does not exist on this machine'],
    ['ENOTDIR', 'name-not-found', 'does not exist on this machine'],
    ['ECONNREFUSED', 'connection-refused', 'refused the connection: nothing listens there'],
    ['ENOTSOCK', 'connection-refused', 'refused the connection: nothing listens there'],
    ['EACCES', 'unreachable', 'may not be opened by this user: check its permissions'],
    ['EPERM', 'unreachable', 'may not be opened by this user: check its permissions'],
    ['EMFILE', 'internal-error', 'could not be dialled: this machine is out of sockets or memory'],
    ['ENFILE', 'internal-error', 'could not be dialled: this machine is out of sockets or memory'],
    ['ENOMEM', 'internal-error', 'could not be dialled: this machine is out of sockets or memory'],
    ['EPROTOTYPE', 'unreachable', 'cannot be reached (EPROTOTYPE)'],
  ])('fails with %s as %s', async (code, status, advice) => {
    const { socket, outcome, timers } = await played();
    socket.emit('error', Object.assign(new Error(code), { code }));
    expect(await outcome).toEqual({ ok: false, status, advice: `unix:/run/app.sock ${advice}` });
    expect(timers.pending).toBe(0);
    socket.emit('error', new Error('later')); // is nobody's business any more
  });

  it('hands over its connection with no listener of its own, and no time limit', async () => {
    const { socket, outcome, timers } = await played();
    socket.emit('connect');
    expect(await outcome).toMatchObject({ ok: true, socket, address: 'unix:/run/app.sock' });
    expect([timers.pending, socket.listenerCount('error'), socket.listenerCount('connect')]).toEqual([
      0, 0, 0,
    ]);
  });

  it('that is cancelled while it connects closes the attempt', async () => {
    const { socket, cancel, timers } = await played();
    cancel();
    expect([socket.destroyed, timers.pending]).toEqual([true, 0]);
  });

  it('has no more time than the request, and none if that is over', async () => {
    const { timers } = routeTo('/run/app.sock');
    expect(timers.delaysMs).toEqual([DIAL_TIMEOUT_MS]);
    const late = new FakeTimers();
    late.advance(5);
    const options = { rules: () => rules('unix:/run/app.sock') };
    const route = new UnixRoute({ path: '/run/app.sock' }, options, { timers: late, now: late.now });
    route.connect(4, () => undefined)();
    route.connect(7, () => undefined)();
    expect(late.delaysMs).toEqual([0, 2]);
  });

  it('gives up in time, and closes the attempt', async () => {
    const silent = new NetSocket();
    const { outcome, timers } = routeTo('/run/app.sock', { connectUnix: () => silent });
    await new Promise((resolve) => setImmediate(resolve));
    timers.advance(DIAL_TIMEOUT_MS);
    expect(await outcome).toEqual({
      ok: false,
      status: 'timed-out',
      advice: 'unix:/run/app.sock did not accept the connection in time',
    });
    expect(silent.destroyed).toBe(true);
  });

  it('that is cancelled connects to nothing', async () => {
    let connects = 0;
    const { cancel, timers } = routeTo('/run/app.sock', {
      connectUnix: () => {
        connects++;
        throw new Error('unreachable');
      },
    });
    cancel();
    await new Promise((resolve) => setImmediate(resolve));
    expect([connects, timers.pending]).toEqual([0, 0]);
  });
});
