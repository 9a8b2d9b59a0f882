// Starts the tunnels and measures them, interleaved.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { atEnd } from './at-end.mjs';
import { interleave } from './interleave.mjs';
import { startLoad } from './load/load.mjs';
import { createNetwork } from './network/network.mjs';

/** After a measurement, until resets have arrived. */
const SETTLE_MS = 150;

/** Runs every scenario with every tunnel.
 *
 *  @param say  is told what happens
 *  @returns for each scenario and tunnel, what each run measured: values by metric, or the error */
export async function runBenchmark({ scenarios, tunnels, runs, seconds, hasNamespaces, say }) {
  const results = [];
  const network = createNetwork(hasNamespaces);
  const load = await startLoad(network);
  const directory = mkdtempSync(path.join(tmpdir(), 'underpass-bench-'));
  const removeDirectory = atEnd(() => rmSync(directory, { recursive: true, force: true }));
  try {
    const running = await startTunnels(tunnels, { network, load, directory, say });
    for (const scenario of scenarios) {
      say(`${scenario.title}:`);
      results.push({
        scenario,
        tunnels: await measureAll(scenario, running, { load, runs, seconds, say }),
      });
    }
    for (const { programs } of running.values()) await Promise.all(programs.map((program) => program.stop()));
  } finally {
    await load.stop();
    removeDirectory();
    network.remove();
  }
  return results;
}

/** @returns the running ones by their descriptions */
async function startTunnels(tunnels, { network, load, directory, say }) {
  const running = new Map();
  for (const tunnel of tunnels) {
    const own = path.join(directory, tunnel.id);
    mkdirSync(own, { mode: 0o700 });
    try {
      const { address, programs } = await tunnel.start({
        network,
        directory: own,
        targetPort: load.targetPort,
      });
      await load.ask('waitUntilReady', { address });
      running.set(tunnel, { address, programs });
    } catch (error) {
      say(`${tunnel.title} is left out: ${error.message}`);
    }
  }
  return running;
}

async function measureAll(scenario, running, { load, runs, seconds, say }) {
  const measured = new Map([...running.keys()].map((tunnel) => [tunnel, []]));
  for (const [run, order] of interleave([...running.keys()], runs).entries()) {
    for (const tunnel of order) {
      const result = await measureOnce(scenario, { load, seconds, tunnel: running.get(tunnel) });
      measured.get(tunnel)[run] = result;
      say(`  ${run + 1}/${runs} ${tunnel.id}: ${wordsOf(result)}`);
      await pause(SETTLE_MS);
    }
  }
  return measured;
}

async function measureOnce(scenario, context) {
  try {
    // What the last measurement left in buffers has to go first.
    await context.load.ask('waitUntilReady', { address: context.tunnel.address });
    return { values: await scenario.measure(context) };
  } catch (error) {
    return { error: error.message };
  }
}

function wordsOf({ values, error }) {
  if (error !== undefined) return `failed: ${error}`;
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
    .join(', ');
}
