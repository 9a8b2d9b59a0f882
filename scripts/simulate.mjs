// Simulates the protocol in virtual time: clients, networks and a relay, generated from seeds and checked against a
// model and rules.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

// A reader such as `head` may have seen enough.
process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const TESTKIT = new URL('../packages/testkit/dist/index.js', import.meta.url);
const PROTOCOL = new URL('../packages/protocol/dist/index.js', import.meta.url);
/** Stands for all scenarios. */
const MIXED = 'mixed';
const DEFAULT_COUNT = '1000';
const USAGE = `usage: npm run simulate -- [--seed N] [--seeds COUNT] [--scenario NAME] [--trace] [--portable]
       npm run simulate -- --seed N [--scenario NAME] --save FILE
       npm run simulate -- --replay FILE [--trace]
       npm run simulate -- --seed N [--scenario NAME] [--capture FILE] [--qlog FILE [--at PROCESS]]

  --seed N          run only this seed; with --seeds, start at it
  --seeds COUNT     how many seeds to run, from 1 (${DEFAULT_COUNT})
  --scenario NAME   much of one kind of trouble; 'list' prints the names
                    'mixed' alternates between any kind and each kind in turn
  --stop            stop at the first seed with a violation
  --rule NAME       count only violations of this rule
  --trace           print a line for each datagram and event of one seed
  --save FILE       write the scenario of a seed to a file, and run it; use it to keep a scenario that showed a bug
  --replay FILE     run a saved scenario
  --capture FILE    write what the processes of one seed send, for Wireshark; includes --portable
  --qlog FILE       write the events of one process, for qvis
  --at PROCESS      which process --qlog is about: relay (the default), client, client-2 ...
  --portable        use the real portable crypto, about 50 times slower

Prints each violation and how to reproduce it. Exit code: 0 without violations, 1 with some, 2 for invalid arguments.
`;

if (isMainThread) await main();
else await work();

async function main() {
  const options = readArguments();
  if (!existsSync(TESTKIT)) fail('packages/testkit is not built: run npm run setup first');
  const { SCENARIO_NAMES } = await import(TESTKIT);
  if (options.scenario === 'list') {
    process.stdout.write(`${SCENARIO_NAMES.join('\n')}\n`);
    return;
  }
  if (options.scenario !== MIXED && !SCENARIO_NAMES.includes(options.scenario)) {
    fail(`unknown scenario '${options.scenario}': expected one of ${SCENARIO_NAMES.join(', ')}`);
  }
  const { trace, save, replay, capture, qlog } = options;
  const isOne = trace || [save, replay, capture, qlog].some((file) => file !== undefined);
  await (isOne ? runOne(options) : runAll(options));
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string' },
        scenario: { type: 'string', default: 'any' },
        trace: { type: 'boolean', default: false },
        stop: { type: 'boolean', default: false },
        rule: { type: 'string' },
        save: { type: 'string' },
        replay: { type: 'string' },
        capture: { type: 'string' },
        qlog: { type: 'string' },
        at: { type: 'string', default: 'relay' },
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
    const isOne = count === 1 || values.replay !== undefined;
    if (values.trace && !isOne) throw new Error('--trace shows one seed: give --seed N');
    for (const option of ['save', 'capture', 'qlog']) {
      if (values[option] !== undefined && !isOne)
        throw new Error(`--${option} writes one seed: give --seed N`);
    }
    return {
      from,
      to: from + count - 1,
      trace: values.trace,
      stop: values.stop,
      rule: values.rule,
      save: values.save,
      replay: values.replay,
      capture: values.capture,
      qlog: values.qlog,
      at: values.at,
      // Wireshark opens only real cryptography.
      portable: values.portable || values.capture !== undefined,
      scenario: values.scenario,
    };
  } catch (error) {
    return fail(`${error.message}; see --help`);
  }
}

function positiveNumber(option, text) {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`${option} '${text}': expected a positive whole number`);
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

async function runOne(options) {
  const { from, portable, scenario: name, trace, save, replay } = options;
  const { createInsecureTestSuite, drawNamed, runDrawn } = await import(TESTKIT);
  const { seed, scenario } =
    replay === undefined
      ? { seed: from, scenario: drawNamed(from, name) }
      : JSON.parse(readFileSync(replay, 'utf8'));
  const { suite = createInsecureTestSuite() } = await suiteOptions(portable);
  const recorder = await recorderOf(options, suite, scenario.clients.length);
  const result = runDrawn(seed, scenario, {
    suite,
    ...(recorder && { recorder }),
    ...(trace && { trace: (line) => process.stdout.write(`${line}\n`) }),
  });
  recorder?.save();
  for (const violation of result.violations) process.stdout.write(`VIOLATION ${violation}\n`);
  process.stdout.write(`digest ${result.digest}\n${JSON.stringify(result.stats, undefined, 2)}\n`);
  const reason = result.violations[0] ?? 'describe here what was wrong';
  if (save !== undefined) writeFileSync(save, `${JSON.stringify({ reason, seed, scenario })}\n`);
  process.exitCode = result.violations.length === 0 ? 0 : 1;
}

/** @returns undefined if no file is asked for */
async function recorderOf({ capture, qlog, at }, suite, clientCount) {
  if (capture === undefined && qlog === undefined) return undefined;
  const { clientName } = await import(TESTKIT);
  const processes = ['relay', ...Array.from({ length: clientCount }, (_, i) => clientName(i))];
  if (!processes.includes(at)) fail(`--at '${at}': this seed has ${processes.join(', ')}`);
  const { joinRecorders, recordCapture, recordQlog } = await import('./simulation/recordings.mjs');
  return joinRecorders([
    ...(capture === undefined ? [] : [recordCapture(capture)]),
    ...(qlog === undefined ? [] : [recordQlog(qlog, at, suite)]),
  ]);
}

/** Gives the next seed to each thread that becomes free. */
async function runAll({ from, to, portable, scenario, stop, rule }) {
  const started = performance.now();
  const totals = {};
  const failed = [];
  let next = from;
  const onResult = (result) => {
    for (const [name, value] of Object.entries(result.stats)) totals[name] = (totals[name] ?? 0) + value;
    if (result.violations.length === 0) return;
    if (rule !== undefined && !result.broken.includes(rule)) return;
    failed.push(report(result, { portable, scenario: result.scenario }));
    if (stop) next = to + 1;
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

function report({ seed, violations, broken }, { portable, scenario }) {
  process.stdout.write(`seed ${seed}:\n  broken: ${broken.join(', ')}\n`);
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
      `${totals.duplicated} duplicated, ${totals.forged} forged, ${totals.replayed} replayed, ` +
      `${totals.misdirected} misdirected; ${totals.clients} clients, ${totals.streams} streams (${totals.messages} messages, ${totals.resets} reset, ${totals.stops} stopped, ${totals.lostStreams} lost), ` +
      `${totals.rekeys} rekeys, ${totals.restarts} restarts, ${totals.closes} farewells, ${totals.moves} moves, ${totals.freezes} sleeps, ` +
      `${totals.removals} removals, ${totals.misbehaved} that broke the protocol, ${totals.floods} floods; ` +
      `${(totals.waitedMs / seeds / 1000).toFixed(1)} s to the end on average, ${totals.healed} networks had to heal first\n` +
      `simulate: ${seeds} seeds, ${hours.toFixed(0)} virtual hours, ${megabytes.toFixed(0)} MB in ` +
      `${seconds.toFixed(1)} s: ${outcome}\n`,
  );
}

function mixed(seed, names) {
  return seed % 2 === 1 ? 'any' : names[(seed / 2) % names.length];
}

async function work() {
  const { runScenario, MIXED_NAMES } = await import(TESTKIT);
  const options = await suiteOptions(workerData.portable);
  parentPort.on('message', (seed) => {
    if (seed === undefined) parentPort.close();
    else {
      const scenario = workerData.scenario === MIXED ? mixed(seed, MIXED_NAMES) : workerData.scenario;
      parentPort.postMessage({ ...runScenario(seed, { ...options, scenario }), scenario });
    }
  });
}
