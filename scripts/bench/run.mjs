// Starts the tunnels and measures them, interleaved.

import { setTimeout as pause } from 'node:timers/promises';
import { interleave } from './interleave.mjs';
import { Stage, stopTunnel } from './stage.mjs';

/** After a measurement, until resets have arrived. */
const SETTLE_MS = 150;

/** Runs every scenario with every tunnel that it is for. Scenarios on the same network share its tunnels.
 *
 *  @param say  is told what happens
 *  @returns for each scenario and tunnel, what each run measured: values by metric, or the error */
export async function runBenchmark({ scenarios, tunnels, hasNamespaces, ...settings }) {
  const results = [];
  for (const group of groupsOf(scenarios)) {
    const [{ link, startsAnew = false }] = group;
    const wanted = tunnels.filter((tunnel) => group.some((scenario) => isFor(scenario, tunnel)));
    if (wanted.length === 0) continue;
    const stage = await Stage.open({ hasNamespaces, link });
    try {
      const running = startsAnew ? undefined : await startAll(stage, wanted, settings.say);
      for (const scenario of group) {
        settings.say(`${scenario.title}:`);
        const present = wanted.filter((tunnel) => isFor(scenario, tunnel) && running?.has(tunnel) !== false);
        results.push({
          scenario,
          tunnels: await measureAll({ stage, scenario, running, ...settings }, present),
        });
      }
      for (const tunnel of running?.values() ?? []) await stopTunnel(tunnel);
    } finally {
      await stage.close();
    }
  }
  return results;
}

/** Scenarios that can share a network and its tunnels, in order. */
function groupsOf(scenarios) {
  const groups = new Map();
  for (const scenario of scenarios) {
    const key = JSON.stringify([scenario.link, scenario.startsAnew]);
    groups.set(key, [...(groups.get(key) ?? []), scenario]);
  }
  return groups.values();
}

/** A scenario may be for some tunnels only, and a tunnel may be for one scenario only. */
function isFor(scenario, tunnel) {
  if (scenario.tunnels !== undefined && !scenario.tunnels.includes(tunnel.id)) return false;
  return tunnel.onlyIn === undefined || tunnel.onlyIn === scenario.id;
}

/** @returns the running ones by their descriptions */
async function startAll(stage, tunnels, say) {
  const running = new Map();
  for (const tunnel of tunnels) {
    try {
      running.set(tunnel, await stage.start(tunnel));
    } catch (error) {
      say(`${tunnel.title} is left out: ${error.message}`);
    }
  }
  return running;
}

async function measureAll(context, tunnels) {
  const { runs, say } = context;
  const measured = new Map(tunnels.map((tunnel) => [tunnel, []]));
  for (const [run, order] of interleave(tunnels, runs).entries()) {
    for (const tunnel of order) {
      const result = await measureOnce(context, tunnel);
      measured.get(tunnel)[run] = result;
      say(`  ${run + 1}/${runs} ${tunnel.id}: ${wordsOf(result)}`);
      await pause(SETTLE_MS);
    }
  }
  return measured;
}

async function measureOnce({ stage, scenario, running, seconds }, tunnel) {
  let own;
  try {
    if (running === undefined) own = await stage.start(tunnel, scenario.clients);
    const measured = own ?? running.get(tunnel);
    // What the last measurement left in buffers has to go first.
    await stage.load.ask('waitUntilReady', { address: measured.address });
    return { values: await scenario.measure({ load: stage.load, tunnel: measured, seconds }) };
  } catch (error) {
    return { error: error.message };
  } finally {
    if (own !== undefined) await stopTunnel(own);
  }
}

function wordsOf({ values, error }) {
  if (error !== undefined) return `failed: ${error}`;
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
    .join(', ');
}
