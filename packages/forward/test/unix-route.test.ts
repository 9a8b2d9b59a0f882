import { once } from 'node:events';
import { linkSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
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

  it('gives up in time, and closes the attempt', async () => {
    const { Socket: NetSocket } = await import('node:net');
    const silent = new NetSocket();
    const { outcome, timers } = routeTo('/run/app.sock', { connectUnix: () => silent });
    await new Promise((resolve) => setImmediate(resolve));
    timers.advance(DIAL_TIMEOUT_MS);
    expect(await outcome).toMatchObject({ status: 'timed-out' });
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
