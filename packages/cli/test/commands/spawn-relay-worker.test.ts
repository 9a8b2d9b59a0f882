import { expect, it, onTestFinished, vi } from 'vitest';
import { spawnRelayWorker } from '../../src/commands/spawn-relay-worker.js';

const stage = vi.hoisted(() => ({ spawned: [] as unknown[][] }));
vi.mock('node:child_process', async (original) => ({
  ...(await original<object>()),
  spawn: (...parameters: unknown[]) => stage.spawned.push(parameters),
}));

it('a worker is this program again, with the options of Node, a pipe, the socket, and stderr for its bugs', () => {
  const { execArgv } = process;
  process.execArgv = ['--enable-source-maps'];
  onTestFinished(() => {
    process.execArgv = execArgv;
  });
  spawnRelayWorker(17);
  const program = expect.stringMatching(/\/bin\/underpass\.js$/);
  expect(stage.spawned).toEqual([
    [
      process.execPath,
      ['--enable-source-maps', program, 'relay-worker'],
      { stdio: ['ignore', 'ignore', 'inherit', 'pipe', 17] },
    ],
  ]);
});
