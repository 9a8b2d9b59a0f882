// Makes the package that users install: dist/underpass-VERSION.tgz, with the bundled program and nothing to build
// (docs/adr/0018-package.md).
//
//   node scripts/pack.mjs [--to DIRECTORY]
//
// It makes the bundle first. `npm pack` in packages/cli would not work: that manifest has `workspace:` and `catalog:`
// dependencies, which exist only in this repository.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';
import { writeManPages } from './man-pages.mjs';
import { thirdPartyLicences } from './third-party.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = path.join(root, 'packages', 'cli');

/** What the package has from packages/cli, apart from its manifest. */
const FROM_CLI = ['bin', 'bundle'];
/** What it has from the root. */
const FROM_ROOT = ['LICENSE', 'README.md', 'CHANGELOG.md'];
const LICENCES = 'THIRD-PARTY-LICENSES.txt';

/** Writes the package into `directory`.
 *  @returns the path of the tarball */
export async function pack(directory) {
  const inputs = await bundle();
  const staging = mkdtempSync(path.join(tmpdir(), 'underpass-pack-'));
  try {
    for (const name of FROM_CLI) cpSync(path.join(cli, name), path.join(staging, name), { recursive: true });
    for (const name of FROM_ROOT) cpSync(path.join(root, name), path.join(staging, name));
    writeFileSync(path.join(staging, LICENCES), thirdPartyLicences(inputs));
    const pages = await writeManPages(path.join(staging, 'man'));
    const manifest = { ...publicManifest(), man: pages.map((page) => `man/${page}`) };
    writeFileSync(path.join(staging, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    mkdirSync(directory, { recursive: true });
    return path.join(directory, npmPack(staging, directory));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** The manifest of packages/cli without what is in the bundle already, and with exact versions of the optional native
 *  packages. */
export function publicManifest() {
  const manifest = JSON.parse(readFileSync(path.join(cli, 'package.json'), 'utf8'));
  const { dependencies: _bundled, devDependencies: _tools, files: _files, ...kept } = manifest;
  const versions = catalog();
  const optionalDependencies = Object.fromEntries(
    Object.keys(manifest.optionalDependencies).map((name) => [name, versions.get(name)]),
  );
  return { ...kept, files: [...FROM_CLI, 'man', ...FROM_ROOT, LICENCES], optionalDependencies };
}

/** The versions in pnpm-workspace.yaml, by package. */
function catalog() {
  const text = readFileSync(path.join(root, 'pnpm-workspace.yaml'), 'utf8');
  const [, section = ''] = /^catalog:\n((?: {2}.*\n)+)/m.exec(text) ?? [];
  return new Map(
    [...section.matchAll(/^ {2}"?([^":]+)"?: (\S+)$/gm)].map(([, name, version]) => [name, version]),
  );
}

/** @returns the file's name */
function npmPack(staging, directory) {
  const { status, stdout, stderr, error } = spawnSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', path.resolve(directory)],
    { cwd: staging, encoding: 'utf8', shell: process.platform === 'win32' },
  );
  if (status !== 0) throw new Error(`npm pack failed: ${error?.message ?? stderr}`);
  const [{ filename }] = JSON.parse(stdout);
  return filename;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--to');
  const directory = at === -1 ? path.join(root, 'dist') : process.argv[at + 1];
  if (!existsSync(path.join(root, 'node_modules'))) throw new Error('run npm run build first');
  const file = await pack(directory);
  process.stdout.write(`${path.relative(process.cwd(), file)}\n`);
}
