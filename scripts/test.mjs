// What `npm test` does after the setup: types, lint, walls, spec, tests. The last line counts.
//
//   node scripts/test.mjs [what vitest takes, for example a path]

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (file) => path.join(root, 'node_modules', file);

const CHECKS = [
  ['types', [bin('typescript/bin/tsc'), '-b']],
  ['lint and format', [bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.']],
  ['package walls', ['scripts/check-imports.mjs']],
  ['spec citations', ['scripts/check-spec.mjs']],
];

let failedChecks = 0;
for (const [name, parameters] of CHECKS) {
  const passed = run(parameters);
  process.stdout.write(`${passed ? 'ok' : 'FAILED'}: ${name}\n`);
  if (!passed) failedChecks++;
}

const directory = mkdtempSync(path.join(tmpdir(), 'underpass-test-'));
const report = path.join(directory, 'report.json');
const passed = run([
  bin('vitest/vitest.mjs'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]);
const counts = readCounts(report);
rmSync(directory, { recursive: true, force: true });

for (const name of counts.skippedNames) process.stdout.write(`skipped: ${name}\n`);
process.stdout.write(
  `${counts.passed} passed, ${counts.failed + failedChecks} failed, ${counts.skippedNames.length} skipped\n`,
);
process.exit(passed && failedChecks === 0 ? 0 : 1);

function run(parameters) {
  return spawnSync(process.execPath, parameters, { cwd: root, stdio: 'inherit' }).status === 0;
}

function readCounts(file) {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(file, 'utf8'));
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    const skippedNames = tests
      .filter(({ status }) => status !== 'passed' && status !== 'failed')
      .map(({ fullName, meta }) => (meta?.skipReason ? `${fullName} (${meta.skipReason})` : fullName));
    // A file that cannot even be loaded has no tests to count.
    const brokenFiles = testResults.filter(
      ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
    );
    return { passed: numPassedTests, failed: numFailedTests + brokenFiles.length, skippedNames };
  } catch {
    return { passed: 0, failed: 1, skippedNames: [] };
  }
}
