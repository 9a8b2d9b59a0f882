// Runs simulations of the protocol: client, network and relay in virtual time, drawn from seeds, held against a model.
//
//   node scripts/simulate.mjs [--seeds N | --seeds FROM-TO]    default: 1-1000
//   node scripts/simulate.mjs --seed N [--trace]               one seed; the trace has a line for each datagram and event
//   [--scenario NAME]                                         one kind of trouble, much of it; 'list' prints the names
//   [--portable]                                               with the real portable crypto, some 50 times slower
//
// Prints what was violated, and how to see it again. Exit code: 0 nothing was, 1 something was, 2 wrong arguments.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const TESTKIT = new URL('../packages/testkit/dist/index.js', import.meta.url);
const PROTOCOL = new URL('../packages/protocol/dist/index.js', import.meta.url);
const DEFAULT_SEEDS = '1-1000';

if (isMainThread) await main();
else await work();

async function main() {
  const options = readArguments();
  if (!existsSync(TESTKIT)) fail('packages/testkit is not built: run npm run build first');
  const { SCENARIO_NAMES } = await import(TESTKIT);
  if (options.scenario === 'list') {
    process.stdout.write(`${SCENARIO_NAMES.join('\n')}\n`);
    return;
  }
  if (!SCENARIO_NAMES.includes(options.scenario)) {
    fail(`no scenario ${options.scenario}; there are ${SCENARIO_NAMES.join(', ')}`);
  }
  if (options.trace) await trace(options);
  else await runAll(options);
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string' },
        scenario: { type: 'string', default: 'any' },
        trace: { type: 'boolean', default: false },
        portable: { type: 'boolean', default: false },
      },
    });
    if (values.trace && values.seed === undefined) throw new Error('--trace needs --seed N');
    const range = values.seed ?? values.seeds ?? DEFAULT_SEEDS;
    const [, first, last] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(range) ?? [];
    if (first === undefined || (values.seed !== undefined && last !== undefined)) {
      throw new Error(
        `not ${values.seed === undefined ? 'a range of seeds, N or FROM-TO' : 'a seed'}: ${range}`,
      );
    }
    const isCount = last === undefined && values.seed === undefined;
    const from = isCount ? 1 : Number(first);
    const to = isCount ? Number(first) : Number(last ?? first);
    if (to < from) throw new Error(`no seed is in ${range}`);
    return { from, to, trace: values.trace, portable: values.portable, scenario: values.scenario };
  } catch (error) {
    return fail(error.message);
  }
}

function fail(message) {
  process.stderr.write(`simulate: ${message}\n`);
  process.exit(2);
}

async function suiteOptions(portable) {
  if (!portable) return {};
  const { createPortableSuite } = await import(PROTOCOL);
  return { suite: createPortableSuite() };
}

async function trace({ from: seed, portable, scenario }) {
  const { runScenario } = await import(TESTKIT);
  const result = runScenario(seed, {
    ...(await suiteOptions(portable)),
    scenario,
    trace: (line) => process.stdout.write(`${line}\n`),
  });
  for (const violation of result.violations) process.stdout.write(`VIOLATION ${violation}\n`);
  process.stdout.write(`digest ${result.digest}\n${JSON.stringify(result.stats, undefined, 2)}\n`);
  process.exitCode = result.violations.length === 0 ? 0 : 1;
}

/** Hands one seed after another to whichever thread is free. */
async function runAll({ from, to, portable, scenario }) {
  const started = performance.now();
  const totals = {};
  const failed = [];
  let next = from;
  const onResult = (result) => {
    for (const [name, value] of Object.entries(result.stats)) totals[name] = (totals[name] ?? 0) + value;
    if (result.violations.length > 0) failed.push(report(result, { portable, scenario }));
  };
  const threads = Math.min(availableParallelism(), to - from + 1);
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { portable, scenario } });
    const feed = () => worker.postMessage(next <= to ? next++ : undefined);
    return new Promise((resolve, reject) => {
      worker.on('message', (result) => {
        onResult(result);
        feed();
      });
      worker.on('error', reject);
      worker.on('exit', resolve);
      feed();
    });
  });
  await Promise.all(workers);
  summarize({ seeds: to - from + 1, failed, totals, seconds: (performance.now() - started) / 1000 });
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function report({ seed, violations }, { portable, scenario }) {
  process.stdout.write(`seed ${seed}:\n`);
  for (const violation of violations) process.stdout.write(`  ${violation}\n`);
  process.stdout.write(
    `  again: node scripts/simulate.mjs --seed ${seed}${scenario === 'any' ? '' : ` --scenario ${scenario}`} --trace${portable ? ' --portable' : ''}\n`,
  );
  return seed;
}

function summarize({ seeds, failed, totals, seconds }) {
  const hours = totals.virtualMs / 3_600_000;
  const megabytes = totals.bytes / 1_000_000;
  const outcome = failed.length === 0 ? 'no violation' : `VIOLATIONS in ${failed.length} seeds`;
  process.stdout.write(
    `${totals.datagramsSent} datagrams: ${totals.lost} lost, ${totals.corrupted} corrupted, ` +
      `${totals.duplicated} duplicated, ${totals.forged} forged, ${totals.misdirected} misdirected; ` +
      `${totals.streams} streams (${totals.resets} reset, ${totals.stops} stopped, ${totals.lostStreams} lost), ` +
      `${totals.rekeys} rekeys, ${totals.restarts} restarts, ${totals.closes} farewells, ${totals.moves} moves, ${totals.freezes} sleeps; ` +
      `${(totals.waitedMs / seeds / 1000).toFixed(1)} s to the end on average, ${totals.healed} networks had to heal first\n` +
      `simulate: ${seeds} seeds, ${hours.toFixed(0)} virtual hours, ${megabytes.toFixed(0)} MB in ` +
      `${seconds.toFixed(1)} s: ${outcome}\n`,
  );
}

async function work() {
  const { runScenario } = await import(TESTKIT);
  const options = { ...(await suiteOptions(workerData.portable)), scenario: workerData.scenario };
  parentPort.on('message', (seed) => {
    if (seed === undefined) parentPort.close();
    else parentPort.postMessage(runScenario(seed, options));
  });
}
