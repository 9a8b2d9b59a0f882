// Installs and builds everything on a machine that has only Node and npm. A second run does only what is still needed.
//
//   node scripts/setup.mjs [--program] [--quiet] [--without-native]
//
//   --program         installs and builds only what the program needs: no compiler, linter or test runner
//   --quiet           prints nothing if there is nothing to do
//   --without-native  leaves out our optional native packages: everything works, but slower. Later runs of `npm test`
//                     and `npm run demo` leave them out too, until `npm run setup`

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PNPM } from './pnpm.mjs';

const OLDEST_NODE = [20, 19];
const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = path.join(root, 'node_modules', '.underpass-setup');
const quiet = process.argv.includes('--quiet');
const programOnly = process.argv.includes('--program');
const withoutNative = process.argv.includes('--without-native');

/** Marks in the stamp that say which part is installed. */
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
  // If everything is installed already, keep it.
  const isPart = programOnly && (found === undefined || found.includes(PROGRAM_ONLY));
  const stamp = manifestHash() + (isPart ? PROGRAM_ONLY : '') + (withoutNative ? WITHOUT_NATIVE : '');
  if (found !== undefined && isInstalled(found, stamp)) return;
  say(`installing packages ${isPart ? 'of the program ' : ''}...`);
  rmSync(stampFile, { force: true });
  // The site of the documentation has packages of its own: scripts/docs.mjs installs them.
  const options = [
    '--frozen-lockfile',
    '--config.confirmModulesPurge=false',
    ...['--filter', '!@underpass/docs'],
    ...(isPart ? ['--prod'] : []),
  ];
  if (!run('npx', ['--yes', PNPM, 'install', ...options])) {
    fail(
      'packages could not be installed (see above): check that the npm registry can be reached, and run it again',
    );
  }
  if (withoutNative) unlinkNative();
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
}

/** Removes the links to the native packages; the next install restores them. `pnpm install --no-optional` would also
 *  leave out the bundler, whose binary is an optional package. */
function unlinkNative() {
  const folders = packageNames().map((name) => path.join(root, 'packages', name));
  for (const folder of [root, ...folders]) {
    const { optionalDependencies = {} } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    for (const dependency of Object.keys(optionalDependencies)) {
      rmSync(path.join(folder, 'node_modules', dependency), { recursive: true, force: true });
    }
  }
}

/** An installation without native packages stays as it is until `npm run setup`. */
function isInstalled(found, wanted) {
  return found === wanted || (quiet && found.replace(WITHOUT_NATIVE, '') === wanted);
}

/** A hash of everything that decides what is installed. */
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

/** Bundles the program. Everything else that runs from a build, such as the simulator, needs the compiler, which also
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

/** Passes the command's output on. @returns whether it succeeded */
function run(command, parameters) {
  const needsShell = process.platform === 'win32' && command === 'npx';
  const stdio = ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'];
  // If this script was started by `npx -c '...'`, our own npx would inherit those options.
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
