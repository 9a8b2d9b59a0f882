/** What peers cost a relay that are configured and never heard: little, whatever their number (docs/adr/0028). */
import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PROGRAM, RunningProgram } from './running-program.js';
import { setUpRelay } from './tunnel.js';

const PEERS = 5000;
const MAX_BYTES_PER_PEER = 4096;

/** Runs in the relay. On SIGUSR2 it logs what the process holds when everything that can go has gone. */
const MEMORY_PROBE = `
  import { getHeapSpaceStatistics } from 'node:v8';
  process.on('SIGUSR2', () => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size;
    for (let i = 0; i < 5; i++) globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    console.error(JSON.stringify({ event: 'memory', held: heapUsed + external, young }));
  });
`;

it('a peer that was never heard costs a relay at most 4 KB, and does not make its heap grow', async () => {
  const without = await measureMemory(0);
  const withPeers = await measureMemory(PEERS);
  expect((withPeers.held - without.held) / PEERS).toBeLessThan(MAX_BYTES_PER_PEER);
  // Once more may it double: that much garbage comes with any start.
  expect(withPeers.young).toBeLessThanOrEqual(2 * without.young);
});

async function measureMemory(peers: number): Promise<{ readonly held: number; readonly young: number }> {
  const { config } = setUpRelay(['127.0.0.1:80']);
  for (let i = 0; i < peers; i++) {
    const key = randomBytes(32).toString('base64');
    appendFileSync(config, `[[peer]]\nname = "idle-${i}"\npublic_key = "${key}"\nallow = ["127.0.0.1:80"]\n`);
  }
  const relay = new RunningProgram(process.execPath, [
    '--expose-gc',
    `--import=data:text/javascript,${encodeURIComponent(MEMORY_PROBE)}`,
    ...[PROGRAM, 'relay', '--config', config],
  ]);
  const { peers: started } = await relay.event('listening');
  expect(started).toBe(peers + 1);
  relay.child.kill('SIGUSR2');
  const { held, young } = await relay.event('memory');
  return { held: Number(held), young: Number(young) };
}
