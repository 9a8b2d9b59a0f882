// Runs the checks and tests of `npm test` after the setup: types, lint, package walls, spec citations, tests. The last
// lines have the slowest tests and the totals.
//
//   node scripts/test.mjs [arguments of vitest, for example a path]

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseCLI, startVitest } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (file) => path.join(root, 'node_modules', file);

const CHECKS = [
  ['types', [bin('typescript/bin/tsc'), '-b']],
  ['lint and format', [bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.']],
  ['package walls', ['scripts/check-imports.mjs']],
  ['spec citations', ['scripts/check-spec.mjs']],
];

const SLOWEST = 10;

process.chdir(root);
const failedChecks = CHECKS.filter(([name, parameters]) => !check(name, parameters)).length;
const tests = await runTests(process.argv.slice(2));
const failed = failedChecks + tests.failed;
for (const { ms, name } of tests.slowest) process.stdout.write(`slow: ${(ms / 1000).toFixed(1)} s ${name}\n`);
for (const name of tests.skipped) process.stdout.write(`skipped: ${name}\n`);
process.stdout.write(`${tests.passed} passed, ${failed} failed, ${tests.skipped.length} skipped\n`);
process.exit(failed === 0 && tests.passed > 0 ? 0 : 1);

function check(name, parameters) {
  const { status } = spawnSync(process.execPath, parameters, { stdio: 'inherit' });
  process.stdout.write(`${status === 0 ? 'ok' : 'FAILED'}: ${name}\n`);
  return status === 0;
}

/** @returns how many tests passed and failed, the slowest with their times, and the names of skipped ones with the
 *    reason; tests that `-t` leaves out do not count */
async function runTests(parameters) {
  const { filter, options } = parseCLI(['vitest', 'run', ...parameters]);
  const vitest = await startVitest('test', filter, options);
  const times = [];
  const counts = { passed: 0, failed: vitest.state.getUnhandledErrors().length, skipped: [] };
  for (const file of vitest.state.getTestModules()) {
    // Errors outside the tests themselves: in imports or hooks.
    counts.failed += file.errors().length;
    for (const suite of file.children.allSuites()) counts.failed += suite.errors().length;
    for (const test of file.children.allTests()) {
      const { state, note } = test.result();
      times.push({
        ms: test.diagnostic()?.duration ?? 0,
        name: `${file.relativeModuleId} > ${test.fullName}`,
      });
      if (state === 'passed' || state === 'failed') counts[state]++;
      else if (options.testNamePattern === undefined)
        counts.skipped.push(`${test.fullName}${note === undefined ? '' : ` (${note})`}`);
    }
  }
  await vitest.close();
  return { ...counts, slowest: times.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST) };
}
