import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type NotifyHost, serviceManager } from '../../src/service/notify.js';
import { recordingLog } from '../commands/recording-log.js';

const stage = vi.hoisted(() => ({
  datagrams: [] as (readonly [socket: string, text: string])[],
  runs: [] as unknown[][],
  canSend: true,
  failure: null as Error | null,
}));
vi.mock('@underpass/runtime', async (original) => ({
  ...(await original<object>()),
  sendUnixDatagram: (socket: string, bytes: Uint8Array) => {
    if (stage.canSend) stage.datagrams.push([socket, new TextDecoder().decode(bytes)]);
    return stage.canSend;
  },
}));
vi.mock('node:child_process', async (original) => ({
  ...(await original<object>()),
  execFile: (...call: unknown[]) => {
    const done = call.pop() as (error: Error | null) => void;
    stage.runs.push(call);
    done(stage.failure);
  },
}));

interface Scene extends NotifyHost {
  readonly datagrams: string[];
  readonly intervals: { readonly ms: number; readonly callback: () => void }[];
}

function scene(parts: Partial<NotifyHost> = {}): Scene {
  const datagrams: string[] = [];
  const intervals: Scene['intervals'] = [];
  return {
    datagrams,
    intervals,
    send: (socket, bytes) => datagrams.push(`${socket} ${new TextDecoder().decode(bytes)}`) > 0,
    runNotify: () => Promise.reject(new Error('not needed')),
    every: (ms, callback) => void intervals.push({ ms, callback }),
    monotonicUs: () => 1234n,
    pid: 42,
    ...parts,
  };
}

describe('a process that systemd started', () => {
  it('reports that it is ready, reloads and stops', async () => {
    const host = scene();
    const manager = serviceManager(recordingLog(), { NOTIFY_SOCKET: '/run/notify' }, host);
    manager.ready('two\npeers');
    const reported = await manager.reloading(() => Promise.resolve(host.datagrams.length));
    expect(reported).toBe(2);
    manager.stopping();
    expect(host.datagrams).toEqual([
      '/run/notify READY=1\nSTATUS=two peers',
      '/run/notify RELOADING=1\nMONOTONIC_USEC=1234',
      '/run/notify READY=1',
      '/run/notify STOPPING=1\nSTATUS=stopping',
    ]);
    expect(host.intervals).toEqual([]);
  });

  it('is not ready again before the reload has ended', async () => {
    const host = scene();
    const manager = serviceManager(recordingLog(), { NOTIFY_SOCKET: '/run/notify' }, host);
    let end = (): void => undefined;
    const reloaded = new Promise<void>((resolve) => {
      end = resolve;
    });
    const reloading = manager.reloading(() => reloaded);
    await new Promise(setImmediate);
    expect(host.datagrams).toHaveLength(1);
    end();
    await reloading;
    expect(host.datagrams.at(-1)).toBe('/run/notify READY=1');
  });

  it('is ready again when a reload fails', async () => {
    const host = scene();
    const manager = serviceManager(recordingLog(), { NOTIFY_SOCKET: '/run/notify' }, host);
    const fail = () => {
      throw new Error('line 3');
    };
    await expect(manager.reloading(fail)).rejects.toThrow('line 3');
    expect(host.datagrams.at(-1)).toBe('/run/notify READY=1');
  });

  it('feeds the watchdog twice in each period, once it is ready', () => {
    const host = scene();
    const environment = { NOTIFY_SOCKET: '@abstract', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '42' };
    const manager = serviceManager(recordingLog(), environment, host);
    expect(host.intervals).toEqual([]);
    manager.ready('');
    manager.ready('');
    expect(host.intervals.map(({ ms }) => ms)).toEqual([30_000]);
    host.intervals[0]?.callback();
    expect(host.datagrams.at(-1)).toBe('@abstract WATCHDOG=1');
  });

  it.each([
    { WATCHDOG_USEC: '60000000', WATCHDOG_PID: '41' },
    { WATCHDOG_USEC: 'soon' },
    { WATCHDOG_USEC: '0' },
    {},
  ])('leaves the watchdog alone if it watches another process or none: %j', (watchdog) => {
    const host = scene();
    serviceManager(recordingLog(), { NOTIFY_SOCKET: '/run/notify', ...watchdog }, host).ready('');
    expect(host.intervals).toEqual([]);
  });

  it('has systemd-notify report, one after the other, where it cannot send datagrams itself', async () => {
    const runs: string[] = [];
    let finish = (): void => {};
    const host = scene({
      send: () => false,
      runNotify: (assignments) => {
        runs.push(assignments.join(' '));
        return new Promise((resolve) => {
          finish = () => resolve(true);
        });
      },
    });
    const manager = serviceManager(recordingLog(), { NOTIFY_SOCKET: '/run/notify' }, host);
    void manager.reloading(() => Promise.resolve());
    await Promise.resolve();
    expect(runs).toEqual(['RELOADING=1 MONOTONIC_USEC=1234']);
    finish();
    await new Promise(setImmediate);
    expect(runs).toEqual(['RELOADING=1 MONOTONIC_USEC=1234', 'READY=1']);
  });

  it('logs once that systemd heard nothing, and what to do', async () => {
    const log = recordingLog();
    const host = scene({ send: () => false, runNotify: () => Promise.resolve(false) });
    const manager = serviceManager(log, { NOTIFY_SOCKET: '/run/notify' }, host);
    manager.ready('');
    manager.stopping();
    await new Promise(setImmediate);
    expect(log.lines).toEqual([expect.stringMatching(/^warn .* 'READY=1' .*: install systemd-notify/)]);
    expect(log.fields).toEqual([{ event: 'notify-failed' }]);
  });
});

describe('a process that systemd did not start', () => {
  it.each([{}, { NOTIFY_SOCKET: '' }])('reports nothing: %j', async (environment) => {
    const host = scene({ runNotify: () => Promise.resolve(true) });
    const manager = serviceManager(recordingLog(), environment, host);
    manager.ready('');
    expect(await manager.reloading(() => Promise.resolve('reloaded'))).toBe('reloaded');
    manager.stopping();
    expect(host.datagrams).toEqual([]);
  });
});

describe('what this process reports with', () => {
  const manager = (log = recordingLog()) => serviceManager(log);
  beforeEach(() => {
    Object.assign(stage, { datagrams: [], runs: [], canSend: true, failure: null });
    vi.stubEnv('NOTIFY_SOCKET', '/run/notify');
    vi.stubEnv('WATCHDOG_USEC', undefined);
    vi.stubEnv('WATCHDOG_PID', undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
  });

  it('is the socket that systemd named, and the monotonic clock in microseconds', async () => {
    const now = () => process.hrtime.bigint() / 1000n;
    const before = now();
    await manager().reloading(() => Promise.resolve());
    const [reloading, ready] = stage.datagrams;
    expect(ready).toEqual(['/run/notify', 'READY=1']);
    const [, time = ''] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading?.[1] ?? '') ?? [];
    expect(BigInt(time)).toBeGreaterThanOrEqual(before);
    expect(BigInt(time)).toBeLessThanOrEqual(now());
  });

  it('is an interval that does not keep the process alive', () => {
    const unref = vi.fn();
    const every = vi.spyOn(globalThis, 'setInterval').mockReturnValue({ unref } as never);
    onTestFinished(() => every.mockRestore());
    vi.stubEnv('WATCHDOG_USEC', '60000000');
    vi.stubEnv('WATCHDOG_PID', String(process.pid));
    manager().ready('');
    expect(every.mock.calls.map(([, ms]) => ms)).toEqual([30_000]);
    expect(unref).toHaveBeenCalledOnce();
    every.mock.calls[0]?.[0]();
    expect(stage.datagrams.at(-1)).toEqual(['/run/notify', 'WATCHDOG=1']);
  });

  it.each([
    [null, 0],
    [new Error('ENOENT'), 1],
  ])(
    'is systemd-notify, for a limited time, where no datagram can be sent (%s)',
    async (failure, warnings) => {
      Object.assign(stage, { canSend: false, failure });
      const log = recordingLog();
      manager(log).ready('listening');
      await vi.waitUntil(() => stage.runs.length > 0);
      await new Promise(setImmediate);
      expect(stage.runs).toEqual([
        ['systemd-notify', ['READY=1', 'STATUS=listening'], { timeout: expect.any(Number) }],
      ]);
      expect(log.lines).toHaveLength(warnings);
    },
  );
});
