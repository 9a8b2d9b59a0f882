/** The package that users install (docs/adr/0018-package.md). The tests need no registry: only the optional native
 *  packages come from there. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { installed } from './installed.js';
import { temporaryDirectory } from './temporary-directory.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Without the optional native packages. */
const MAX_INSTALLED_BYTES = 25 * 1024 * 1024;
const isWindows = process.platform === 'win32';

/** For npm on a busy machine. */
const NPM_LIMIT_MS = 300_000;

let tarball = '';
beforeAll(() => {
  const directory = mkdtempSync(path.join(tmpdir(), 'underpass-package-'));
  execFileSync(process.execPath, ['scripts/pack.mjs', '--to', directory], { cwd: ROOT, stdio: 'pipe' });
  tarball = path.join(directory, readdirSync(directory)[0] ?? '');
  return () => rmSync(directory, { recursive: true, force: true });
}, NPM_LIMIT_MS);

/** npm with a home and a cache of its own, both empty, and without a network. */
function npm(home: string, command: string, ...parameters: readonly string[]): string {
  const { PATH, TMPDIR } = process.env;
  const environment = { HOME: home, PATH, TMPDIR, npm_config_cache: path.join(home, 'cache') };
  const options = ['--offline', '--omit=optional', '--no-audit', '--no-fund', '--no-update-notifier'];
  return execFileSync(command, [...options, ...parameters], {
    env: environment,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

describe.skipIf(isWindows)('the package', { timeout: NPM_LIMIT_MS }, () => {
  it('installs into an empty prefix without a network, a compiler or dependencies, and runs', () => {
    const home = temporaryDirectory();
    const prefix = path.join(home, 'prefix');
    npm(home, 'npm', 'install', '--global', '--prefix', prefix, tarball);
    const folder = path.join(prefix, 'lib', 'node_modules', 'underpass');
    expect(existsSync(path.join(folder, 'node_modules'))).toBe(false);
    expect(bytesIn(prefix)).toBeLessThan(MAX_INSTALLED_BYTES);

    expect(readdirSync(path.join(prefix, 'share', 'man', 'man1'))).toContain('underpass-relay.1');

    const program = path.join(prefix, 'bin', 'underpass');
    const run = (...parameters: readonly string[]) =>
      execFileSync(program, parameters, { env: { PATH: process.env.PATH, HOME: home }, encoding: 'utf8' });
    expect(run('--version').trim()).toBe(manifestIn(folder).version);
    // As a library: the names of its two entries.
    const parent = path.join(prefix, 'lib');
    const code =
      "Promise.all(['underpass', 'underpass/relay'].map((name) => import(name))).then((entries) => console.log(...entries.flatMap(Object.keys)))";
    const names = execFileSync(process.execPath, ['-e', code], { cwd: parent, encoding: 'utf8' });
    expect(names.trim()).toBe('TunnelError UnderpassError connect enrol generateKeyPair createRelay');
    expect(readdirSync(path.join(folder, 'bundle'))).toEqual(
      expect.arrayContaining(['api.d.ts', 'relay-api.d.ts']),
    );
    // Relay, client and the service are all loaded from the package.
    expect(run('demo')).toContain('Every byte arrived as it was sent.');
  });

  it('runs through npx', () => {
    const home = temporaryDirectory();
    const output = npm(home, 'npx', '--yes', '--package', tarball, '--', 'underpass', '--version');
    expect(output.trim()).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('depends on the native packages only, optionally and in exact versions', () => {
    const directory = temporaryDirectory();
    execFileSync('tar', ['xf', tarball, '-C', directory]);
    const manifest = manifestIn(path.join(directory, 'package'));
    expect(Object.keys(manifest).filter((key) => /dependencies/i.test(key))).toEqual([
      'optionalDependencies',
    ]);
    expect(manifest.optionalDependencies).toEqual({
      koffi: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      'sodium-native': expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
    expect(manifest).not.toHaveProperty('scripts');
  });

  it.skipIf(installed('groff') === undefined)(
    'has manual pages in which groff finds no mistake (needs groff)',
    () => {
      const directory = temporaryDirectory();
      execFileSync('tar', ['xf', tarball, '-C', directory]);
      const folder = path.join(directory, 'package', 'man');
      const pages = readdirSync(folder);
      expect(pages).toEqual(
        expect.arrayContaining(['underpass.1', 'underpass-client.1', 'underpass-service.1']),
      );
      for (const page of pages) {
        const options = ['-man', '-Tutf8', '-ww', '-z', path.join(folder, page)];
        const { status, stderr } = spawnSync('groff', options, { encoding: 'utf8' });
        expect({ page, status, stderr }).toEqual({ page, status: 0, stderr: '' });
      }
    },
  );

  it('carries the licence of everything that is bundled', () => {
    const directory = temporaryDirectory();
    execFileSync('tar', ['xf', tarball, '-C', directory]);
    const text = readFileSync(path.join(directory, 'package', 'THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const name of [
      '@noble/ciphers',
      '@noble/hashes',
      'commander',
      'pino',
      'preact',
      'smol-toml',
      'tweetnacl',
      'uplot',
      'zod',
    ]) {
      expect(text).toMatch(new RegExp(`^${name} \\d`, 'm'));
    }
    expect(text).not.toContain('esbuild');
  });
});

interface Manifest {
  readonly version: string;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest;
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(path.join(folder, name)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}
