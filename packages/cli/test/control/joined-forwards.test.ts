import type { Client } from '@underpass/client';
import type { Forward } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { usageError } from '../../src/cli-error.js';
import type { ControlExchange } from '../../src/control/control-server.js';
import { JoinedForwards, MAX_JOINED_FORWARDS } from '../../src/control/joined-forwards.js';
import { ExitCode } from '../../src/exit-code.js';

/** A client that runs forwards in name only. */
function aClient(refused?: string) {
  const running: Forward[] = [];
  const client = {
    get forwards() {
      return running.map((spec) => ({ spec, addresses: [] }));
    },
    addForward: (spec: Forward) => {
      if (spec.text === refused) return Promise.reject(usageError('no'));
      running.push(spec);
      return Promise.resolve(
        spec.text.startsWith('/')
          ? { spec, addresses: [], path: spec.text.split(':')[0] }
          : { spec, addresses: [{ address: '127.0.0.1', port: 8080 }] },
      );
    },
    removeForward: (forward: Forward) => {
      const index = running.findIndex(({ text }) => text === forward.text);
      running.splice(index, 1);
      return Promise.resolve(true);
    },
  };
  return { joined: new JoinedForwards(client as unknown as Client), running };
}

/** @param takes  how many lines the other process takes before it goes */
function anExchange(takes = Number.POSITIVE_INFINITY) {
  const controller = new AbortController();
  const lines: unknown[] = [];
  const exchange: ControlExchange = {
    send: (line) => {
      lines.push(line);
      if (lines.length === takes) controller.abort();
    },
    end: () => undefined,
    signal: controller.signal,
  };
  return { exchange, lines, leave: () => controller.abort() };
}

const local = (text: string) => ({ kind: 'local', text });

describe('forwards of another process', () => {
  it('run until it goes, and it hears what happens', async () => {
    const { joined, running } = aClient();
    const { exchange, lines, leave } = anExchange();
    await joined.add({ forwards: [local('1:a:1'), local('2:b:2')] }, exchange);
    expect(running.map(({ text }) => text)).toEqual(['1:a:1', '2:b:2']);
    joined.onEvent({ type: 'resumed', silentMs: 5 });
    expect(lines).toMatchObject([
      { type: 'listening', text: '1:a:1', addresses: [{ port: 8080 }] },
      { type: 'listening', text: '2:b:2' },
      { type: 'joined', pid: process.pid },
      { type: 'event', event: { type: 'resumed' } },
    ]);
    leave();
    await Promise.resolve();
    await Promise.resolve();
    expect(running).toEqual([]);
    joined.onEvent({ type: 'resumed', silentMs: 5 });
    expect(lines).toHaveLength(4);
  });

  it('that ran before it came stay when it goes', async () => {
    const { joined, running } = aClient();
    await joined.add({ forwards: [local('1:a:1')] }, anExchange().exchange);
    const second = anExchange();
    await joined.add({ forwards: [local('1:a:1')] }, second.exchange);
    expect(second.lines).toMatchObject([{ type: 'running', text: '1:a:1' }, { type: 'joined' }]);
    second.leave();
    await Promise.resolve();
    expect(running).toHaveLength(1);
  });

  it('are all removed if one cannot start', async () => {
    const { joined, running } = aClient('2:b:2');
    const add = joined.add({ forwards: [local('1:a:1'), local('2:b:2')] }, anExchange().exchange);
    await expect(add).rejects.toThrow('no');
    expect(running).toEqual([]);
  });

  it.each([
    [undefined, 'expected {"forwards": ['],
    [null, 'expected {"forwards": ['],
    [{ forwards: 'all' }, 'expected'],
    [{ forwards: [{ kind: 'teleport', text: '1:a:1' }] }, 'does not know the forward'],
    [{ forwards: [{ kind: 'toString', text: '1:a:1' }] }, 'does not know the forward'],
    [{ forwards: [{ kind: 'local', text: 1 }] }, 'does not know the forward'],
    [{ forwards: [null] }, 'does not know the forward'],
    [{ forwards: [local('nonsense')] }, 'nonsense'],
  ])('are refused if they are wrong (%#)', async (body, reason) => {
    const { joined, running } = aClient();
    await expect(joined.add(body, anExchange().exchange)).rejects.toThrow(reason);
    expect(running).toEqual([]);
  });

  it('are accepted up to the limit of one request, and refused beyond it', async () => {
    const { joined, running } = aClient();
    const forwards = Array.from({ length: MAX_JOINED_FORWARDS }, () => local('1:a:1'));
    const { exchange, lines } = anExchange();
    await joined.add({ forwards }, exchange);
    expect([running.length, lines.length]).toEqual([1, MAX_JOINED_FORWARDS + 1]);
    const more = [...forwards, local('2:b:2')];
    await expect(joined.add({ forwards: more }, anExchange().exchange)).rejects.toMatchObject({
      message: `${MAX_JOINED_FORWARDS + 1} forwards are too many at once`,
      hint: `give at most ${MAX_JOINED_FORWARDS}`,
      exitCode: ExitCode.usage,
    });
    expect(running).toHaveLength(1);
  });

  it('that differ in their kind alone are two', async () => {
    const { joined, running } = aClient();
    const forwards = [
      { kind: 'local', text: '53:a:53' },
      { kind: 'udp', text: '53:a:53' },
    ];
    await joined.add({ forwards }, anExchange().exchange);
    expect(running.map(({ kind }) => kind)).toEqual(['local', 'udp']);
  });

  it('at a path are reported with it', async () => {
    const { joined } = aClient();
    const { exchange, lines } = anExchange();
    await joined.add({ forwards: [local('/run/a.sock:b:1'), local('1:b:1')] }, exchange);
    expect(lines[0]).toMatchObject({ type: 'listening', kind: 'local', addresses: [], path: '/run/a.sock' });
    expect(lines[1]).not.toHaveProperty('path');
  });

  it.each([0, 1, 2])('of a process that leaves before it hears of all are removed (%s)', async (takes) => {
    const { joined, running } = aClient();
    const { exchange, lines, leave } = anExchange(takes);
    if (takes === 0) leave();
    await joined.add({ forwards: [local('1:a:1')] }, exchange);
    await Promise.resolve();
    await Promise.resolve();
    expect(running).toEqual([]);
    const before = lines.length;
    joined.onEvent({ type: 'resumed', silentMs: 5 });
    expect(lines).toHaveLength(before);
  });
});
