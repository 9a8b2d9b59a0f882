// Plants bugs, one at a time, in a copy of the program, and reports whether the simulator (and which rule) or the tests
// find each of them.
//
// What exceeds its time limit has found nothing: a busy machine is as good a reason as the bug. Such a bug is reported as
// not decided. Only tests that hang count as having found it: those that without the bug take less than a third of the
// limit.
//
// A list is JSON: [{ "name", "file", "before", "after", "why", "found", "scenario" }]
//
//   before    text that occurs exactly once in `file`
//   after     its replacement
//   why       what is wrong then
//   found     what must find the bug: the name of a rule of the simulator, "simulator" for any rule, "tests", or
//             "nobody" with a reason in `why`
//   scenario  the kind of trouble that shows the bug; without it, all kinds

import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { transform } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const USAGE = `usage: node scripts/mutate.mjs LIST.json... [--seeds COUNT] [--only NAME] [--limit SECONDS] [--tests]
                                [--tests-only] [--test FILE]... [--program] [--check]

  --seeds COUNT     run at most this many seeds of the simulator for each bug (500)
  --only NAME       run only this bug
  --limit SECONDS   the time limit of the simulator, and of each step of the tests, for each bug (300)
  --tests           also run the tests of the package if the simulator finds nothing: first those nearest to the file,
                    then the others
  --tests-only      run the tests and not the simulator
  --test FILE       run only this file of tests, and not the simulator
  --program         also run the tests of the whole program if those of the package find nothing
  --check           only check that each bug can be planted: that its text occurs once in its file

Build first. Exit code: 0 if every bug was found as its list says, 1 if not or if the time was too short to decide, 2
for invalid arguments.
`;
const TESTED_WITH = [
  'packages',
  'docs',
  'test',
  'scripts',
  'package.json',
  'vitest.config.ts',
  'tsconfig.base.json',
];
/** The values of `found` that are not names of rules. */
const NO_RULES = ['simulator', 'tests', 'nobody'];
const NOT_DECIDED = 'not decided';
/** Tests without a bug that take a smaller share of the limit than this hang if they exceed it with the bug. */
const QUICK_SHARE = 1 / 3;
/** The parts of a built tree that a simulation needs. */
const SIMULATED_WITH = [
  'packages/protocol/dist',
  'packages/testkit/dist',
  'packages/protocol/package.json',
  'packages/testkit/package.json',
  'scripts/simulate.mjs',
];

const { lists, options } = readArguments();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
const mutants = lists.flatMap((file) => JSON.parse(readFileSync(file, 'utf8'))).filter(isAsked);
/** Whether the tests of each step are quick without a bug. */
const quickSteps = new Map();
let failed = 0;
let undecided = 0;
let bySimulator = 0;
for (const mutant of mutants) {
  const problem = plantingProblem(mutant);
  if (problem !== undefined) {
    failed++;
    print(`CANNOT PLANT  ${mutant.name}: ${problem}`);
    continue;
  }
  if (options.check) continue;
  const finder = await find(mutant);
  if (finder.startsWith('simulator')) bySimulator++;
  const isDecided = finder !== NOT_DECIDED;
  const isAsExpected = agrees(mutant.found, finder);
  if (!isDecided) undecided++;
  else if (!isAsExpected) failed++;
  print(
    `${isDecided ? (isAsExpected ? 'ok  ' : 'NOT ') : '?   '}  ${finder.padEnd(44)}  ${mutant.name} (${mutant.file.replace('packages/', '').replace('src/', '')})`,
  );
}
const ran = options.check ? 'can be planted' : `were run, the simulator found ${bySimulator}`;
const rest = undecided === 0 ? '' : `, ${undecided} were not decided within the limit`;
print(`mutate: ${mutants.length} bugs ${ran}, ${failed} differ from the list${rest}`);
process.exitCode = failed === 0 && undecided === 0 ? 0 : 1;

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        seeds: { type: 'string', default: '500' },
        only: { type: 'string' },
        limit: { type: 'string', default: '300' },
        tests: { type: 'boolean', default: false },
        'tests-only': { type: 'boolean', default: false },
        test: { type: 'string', multiple: true },
        program: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help || positionals.length === 0) {
      process.stdout.write(USAGE);
      process.exit(values.help ? 0 : 2);
    }
    if (values.test !== undefined) values['tests-only'] = true;
    if (values['tests-only'] || values.program) values.tests = true;
    return { lists: positionals, options: values };
  } catch (error) {
    process.stderr.write(`mutate: ${error.message}; see --help\n`);
    return process.exit(2);
  }
}

function isAsked({ name }) {
  return options.only === undefined || name === options.only;
}

function plantingProblem({ file, before, after }) {
  if (!existsSync(path.join(ROOT, file))) return `there is no ${file}`;
  const source = readFileSync(path.join(ROOT, file), 'utf8');
  const places = source.split(before).length - 1;
  if (before === after) return 'the replacement changes nothing';
  return places === 1 ? undefined : `its text occurs ${places} times in ${file}`;
}

function mutated({ file, before, after }) {
  const source = readFileSync(path.join(ROOT, file), 'utf8');
  return source.replace(before, () => after);
}

/** @returns what found it, 'nobody', or NOT_DECIDED */
async function find(mutant) {
  let finder = 'nobody';
  if (!options['tests-only'] && /^packages\/(protocol|testkit)\//.test(mutant.file)) {
    finder = await inCopy(SIMULATED_WITH, (tree) => simulate(tree, mutant));
  }
  if (!options.tests || finder.startsWith('simulator')) return finder;
  const tested = await inCopy(TESTED_WITH, (tree) => test(tree, mutant));
  return tested === 'nobody' ? finder : tested;
}

function agrees(expected, finder) {
  if (finder === NOT_DECIDED) return false;
  if (expected === undefined) return true;
  if (expected === 'simulator') return finder.startsWith('simulator');
  if (expected === 'tests' || expected === 'nobody')
    return options.tests ? finder.startsWith(expected) : finder.startsWith('nobody');
  return finder.startsWith('simulator') && finder.includes(expected);
}

async function inCopy(parts, action) {
  const tree = mkdtempSync(path.join(tmpdir(), 'mutant-'));
  try {
    for (const part of parts) {
      cpSync(path.join(ROOT, part), path.join(tree, part), {
        recursive: true,
        filter: (from) => path.basename(from) !== 'node_modules',
      });
    }
    linkModules(tree);
    return await action(tree);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** Links the packages of the copy to each other, and to the dependencies of the original. */
function linkModules(tree) {
  for (const folder of ['', ...readdirSync(path.join(tree, 'packages')).map((name) => `packages/${name}`)]) {
    const modules = path.join(ROOT, folder, 'node_modules');
    const target = path.join(tree, folder, 'node_modules');
    mkdirSync(target, { recursive: true });
    for (const name of readNames(modules)) {
      if (name === '@underpass') continue;
      symlinkSync(path.join(modules, name), path.join(target, name));
    }
    mkdirSync(path.join(target, '@underpass'), { recursive: true });
    for (const name of readdirSync(path.join(tree, 'packages'))) {
      symlinkSync(path.join(tree, 'packages', name), path.join(target, '@underpass', name));
    }
  }
}

function readNames(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function simulate(tree, mutant) {
  const { code: compiled } = await transform(mutated(mutant), {
    loader: 'ts',
    target: 'node20',
    format: 'esm',
  });
  writeFileSync(path.join(tree, mutant.file.replace('/src/', '/dist/').replace(/\.ts$/, '.js')), compiled);
  const { scenario = 'mixed', found } = mutant;
  const parameters = ['scripts/simulate.mjs', '--seeds', options.seeds, '--scenario', scenario, '--stop'];
  if (found !== undefined && !NO_RULES.includes(found)) parameters.push('--rule', found);
  const { code, output } = await run(tree, [process.execPath, ...parameters]);
  if (code === 0) return 'nobody';
  if (code === undefined) return NOT_DECIDED;
  const seed = /^seed (\d+)/m.exec(output)?.[1];
  if (seed === undefined)
    throw new Error(`${mutant.name}: the simulator cannot run: ${output.slice(0, 500)}`);
  const broken = /^ {2}broken: (.*)$/m.exec(output)?.[1];
  return `simulator (${broken}, seed ${seed})`;
}

/** Runs the tests in the order in which they are likely to find the bug: the file that mirrors the source, its folder, the
 *  package, and if it is asked for the program. */
async function test(tree, mutant) {
  writeFileSync(path.join(tree, mutant.file), mutated(mutant));
  const mirror = mutant.file.replace('/src/', '/test/').replace(/\.ts$/, '.test.ts');
  const [, name] = mutant.file.split('/');
  const steps = options.test ?? [mirror, path.dirname(mirror), `packages/${name}/test`];
  if (options.program) steps.push('test/e2e');
  const done = ['**/endpoint/pair.test.ts'];
  let outcome = 'nobody';
  for (const step of new Set(steps.filter((step) => existsSync(path.join(tree, step))))) {
    const finder = await runTests(tree, step, done);
    if (finder === NOT_DECIDED) outcome = (await isQuick(step, [...done])) ? 'tests (hang)' : NOT_DECIDED;
    else if (finder !== 'nobody') return finder;
    if (outcome.startsWith('tests')) return outcome;
    done.push(step.endsWith('.ts') ? step : `${step}/**`);
  }
  return outcome;
}

/** Whether the tests of a step pass without a bug in less than a third of the limit. */
async function isQuick(step, excluded) {
  if (!quickSteps.has(step)) {
    const started = performance.now();
    const finder = await inCopy(TESTED_WITH, (tree) => runTests(tree, step, excluded));
    const seconds = (performance.now() - started) / 1000;
    quickSteps.set(step, finder === 'nobody' && seconds < QUICK_SHARE * Number(options.limit));
  }
  return quickSteps.get(step);
}

/** @returns the file of the failed test, 'nobody', or NOT_DECIDED when the time was too short */
async function runTests(tree, step, excluded) {
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
  const parameters = ['run', step, '--bail', '1', '--reporter', 'json', '--passWithNoTests'];
  for (const pattern of excluded) parameters.push('--exclude', pattern);
  const { code, output } = await run(tree, [process.execPath, vitest, ...parameters]);
  if (code === 0) return 'nobody';
  if (code === undefined) return NOT_DECIDED;
  return `tests (${path.basename(/"name":"([^"]*\.test\.ts)"/.exec(failedFile(output))?.[1] ?? '?')})`;
}

/** The part of the reporter's JSON that names the file of the failed test. */
function failedFile(output) {
  try {
    const { testResults } = JSON.parse(output.slice(output.indexOf('{"num')));
    return JSON.stringify(testResults.find(({ status }) => status === 'failed') ?? {});
  } catch {
    return '';
  }
}

/** @returns the exit code, undefined after a timeout, and the output */
function run(tree, [program, ...parameters]) {
  return new Promise((resolve) => {
    // A group of its own: a worker that hangs outlives the program that started it.
    const child = spawn(program, parameters, {
      cwd: tree,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const stop = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    };
    let output = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      stop();
    }, Number(options.limit) * 1000);
    process.once('exit', stop);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
    child.on('close', (code) => {
      clearTimeout(timer);
      process.off('exit', stop);
      resolve({ code: isLate ? undefined : code, output });
    });
  });
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
