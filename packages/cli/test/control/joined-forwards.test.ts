import type { Client } from '@underpass/client';
import type { Forward } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { usageError } from '../../src/cli-error.js';
import type { ControlExchange } from '../../src/control/control-server.js';
import { JoinedForwards, MAX_JOINED_FORWARDS } from '../../src/control/joined-forwards.js';

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
      return Promise.resolve({ spec, addresses: [{ address: '127.0.0.1', port: 8080 }] });
    },
    removeForward: (forward: Forward) => {
      const index = running.findIndex(({ text }) => text === forward.text);
      running.splice(index, 1);
      return Promise.resolve(true);
    },
  };
  return { joined: new JoinedForwards(client as unknown as Client), running };
}

function anExchange() {
  const controller = new AbortController();
  const lines: unknown[] = [];
  const exchange: ControlExchange = {
    send: (line) => void lines.push(line),
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
    [undefined, 'expected'],
    [{ forwards: 'all' }, 'expected'],
    [{ forwards: [{ kind: 'teleport', text: '1:a:1' }] }, 'does not know the forward'],
    [{ forwards: [{ kind: 'toString', text: '1:a:1' }] }, 'does not know the forward'],
    [{ forwards: [null] }, 'does not know the forward'],
    [{ forwards: [local('nonsense')] }, 'nonsense'],
    [{ forwards: Array.from({ length: MAX_JOINED_FORWARDS + 1 }, () => local('1:a:1')) }, 'too many'],
  ])('are refused if they are wrong (%#)', async (body, reason) => {
    const { joined, running } = aClient();
    await expect(joined.add(body, anExchange().exchange)).rejects.toThrow(reason);
    expect(running).toEqual([]);
  });

  it('of a process that left before they ran are removed', async () => {
    const { joined, running } = aClient();
    const { exchange, leave } = anExchange();
    leave();
    await joined.add({ forwards: [local('1:a:1')] }, exchange);
    await Promise.resolve();
    await Promise.resolve();
    expect(running).toEqual([]);
  });
});
