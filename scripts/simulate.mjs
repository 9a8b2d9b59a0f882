// Runs simulations of the protocol: client, network and relay in virtual time, drawn from seeds, held against a model.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const TESTKIT = new URL('../packages/testkit/dist/index.js', import.meta.url);
const PROTOCOL = new URL('../packages/protocol/dist/index.js', import.meta.url);
const DEFAULT_COUNT = '1000';
const USAGE = `usage: npm run simulate -- [--seed N] [--seeds COUNT] [--scenario NAME] [--trace] [--portable]

  --seed N          this seed alone; with --seeds, the first of so many
  --seeds COUNT     seeds 1 to COUNT (${DEFAULT_COUNT})
  --scenario NAME   one kind of trouble, much of it; 'list' prints the names
  --trace           a line for each datagram and event of one seed
  --portable        with the real portable crypto, some 50 times slower

Prints what was violated and how to see it again. Exit code: 0 nothing was, 1 something was, 2 wrong arguments.
`;

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
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    const from = positiveNumber('--seed', values.seed ?? '1');
    const count = positiveNumber(
      '--seeds',
      values.seeds ?? (values.seed === undefined ? DEFAULT_COUNT : '1'),
    );
    if (values.trace && count !== 1) throw new Error('--trace shows one seed: give --seed N');
    return {
      from,
      to: from + count - 1,
      trace: values.trace,
      portable: values.portable,
      scenario: values.scenario,
    };
  } catch (error) {
    return fail(`${error.message}; see --help`);
  }
}

function positiveNumber(option, text) {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`${option} ${text}: expected a number from 1`);
  return Number(text);
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
