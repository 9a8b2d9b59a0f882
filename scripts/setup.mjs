// Installs and builds, on a machine that has only Node and npm. A second run does only what is needed.
//
//   node scripts/setup.mjs [--program] [--quiet] [--without-native]
//
//   --program         installs and builds no more than the program needs: no compiler, linter or test runner
//   --quiet           says nothing when there is nothing to do
//   --without-native  leaves out our optional native packages: everything works, slower. `npm test` and `npm run demo`
//                     then do without them too, until `npm run setup`

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PNPM = 'pnpm@12.21.0';
const OLDEST_NODE = [20, 19];
const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = path.join(root, 'node_modules', '.underpass-setup');
const quiet = process.argv.includes('--quiet');
const programOnly = process.argv.includes('--program');
const withoutNative = process.argv.includes('--without-native');

/** What is installed, by what it serves: the marks in the stamp. */
const PROGRAM_ONLY = ' program only';
const WITHOUT_NATIVE = ' without native';

checkNode();
install();
await build();

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  fail(`Node ${process.versions.node} is too old: Underpass needs ${OLDEST_NODE.join('.')} or newer`);
}

function install() {
  const found = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : undefined;
  // Who has installed everything keeps everything.
  const isPart = programOnly && (found === undefined || found.includes(PROGRAM_ONLY));
  const stamp = manifestHash() + (isPart ? PROGRAM_ONLY : '') + (withoutNative ? WITHOUT_NATIVE : '');
  if (found !== undefined && isInstalled(found, stamp)) return;
  say(`installing packages ${isPart ? 'of the program ' : ''}...`);
  rmSync(stampFile, { force: true });
  const options = ['--frozen-lockfile', '--config.confirmModulesPurge=false', ...(isPart ? ['--prod'] : [])];
  if (!run('npx', ['--yes', PNPM, 'install', ...options])) {
    fail(
      'packages could not be installed (see above): it needs the npm registry; check the network, run it again',
    );
  }
  if (withoutNative) unlinkNative();
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
}

/** Not `pnpm install --no-optional`: that leaves out the bundler too, whose program is an optional package of it.
 *  The next install puts the links back. */
function unlinkNative() {
  for (const name of packageNames()) {
    const folder = path.join(root, 'packages', name);
    const { optionalDependencies = {} } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    for (const dependency of Object.keys(optionalDependencies)) {
      rmSync(path.join(folder, 'node_modules', dependency), { recursive: true, force: true });
    }
  }
}

/** What is installed without native packages stays so until somebody runs `npm run setup`. */
function isInstalled(found, wanted) {
  return found === wanted || (quiet && found.replace(WITHOUT_NATIVE, '') === wanted);
}

/** Everything that decides what is installed. */
function manifestHash() {
  const hash = createHash('sha256').update(process.versions.modules);
  const manifests = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'];
  for (const name of packageNames()) manifests.push(`packages/${name}/package.json`);
  for (const file of manifests) {
    hash.update(file).update(readFileSync(path.join(root, file)));
  }
  return hash.digest('hex');
}

function packageNames() {
  return readdirSync(path.join(root, 'packages'))
    .filter((name) => existsSync(path.join(root, 'packages', name, 'package.json')))
    .sort();
}

/** The bundle is the program. What else runs from a build, such as the simulator, needs the compiler, which also
 *  checks types. */
async function build() {
  if (!quiet) say('building ...');
  const { bundle } = await import('./bundle.mjs');
  await bundle().catch(() => fail('the sources cannot be bundled (see above)'));
  if (programOnly) return;
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  if (!run(process.execPath, [compiler, '-b', 'packages/cli', 'packages/testkit'])) {
    fail('the sources do not compile (see above)');
  }
}

/** @returns whether it succeeded; what it has to say goes to our output */
function run(command, parameters) {
  const needsShell = process.platform === 'win32' && command === 'npx';
  const stdio = ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'];
  // Run by `npx -c '...'` ourselves, our own npx would take that one's options for its own.
  const { npm_config_call: _call, npm_config_package: _package, ...environment } = process.env;
  const { status, stdout, error } = spawnSync(command, parameters, {
    cwd: root,
    env: environment,
    stdio,
    shell: needsShell,
    encoding: 'utf8',
  });
  if (error !== undefined) fail(`${command} could not be started: ${error.message}`);
  if (status !== 0 && stdout) process.stderr.write(stdout);
  return status === 0;
}

function say(line) {
  process.stderr.write(`underpass: ${line}\n`);
}

function fail(line) {
  say(line);
  process.exit(1);
}
