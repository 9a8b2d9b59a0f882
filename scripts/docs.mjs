// Builds the documentation as a site of static files, in docs/.vitepress/dist. Any web server can serve them.
//
//   node scripts/docs.mjs [--serve [PORT]]
//
//   --serve   shows the site on http://localhost:PORT/, 4173 unless you choose another, until Ctrl+C
//
// Exit code: 0 when the site was built, 1 when something failed: also when a link inside the site leads nowhere.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PNPM } from './pnpm.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCS = path.join(ROOT, 'docs');
const SITE = path.join(DOCS, '.vitepress/dist');

const [option, port = '4173'] = process.argv.slice(2);
if (option !== undefined && option !== '--serve') {
  process.stderr.write(`docs: '${option}' is not an option: --serve [PORT]\n`);
  process.exit(2);
}

// Only who builds the site needs its packages.
run('npx', ['--yes', PNPM, 'install', '--frozen-lockfile', '--filter', '@underpass/docs'], ROOT);
rmSync(SITE, { recursive: true, force: true });
run('npx', ['vitepress', 'build', '.'], DOCS);
run('npx', ['typedoc', '--logLevel', 'Warn'], DOCS);
// The playground is built with the packages that everybody installs.
run(process.execPath, ['scripts/setup.mjs', '--quiet'], ROOT);
run(
  process.execPath,
  ['scripts/playground.mjs', '--out', path.join(SITE, 'playground'), '--spec', '../spec/'],
  ROOT,
);
process.stdout.write(`\nthe site is in ${path.relative(process.cwd(), SITE)}\n`);
if (option === '--serve') run('npx', ['vitepress', 'preview', '.', '--port', port], DOCS);

function run(command, parameters, cwd) {
  const { status, error } = spawnSync(command, parameters, {
    cwd,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  process.stderr.write(
    `docs: ${command} ${parameters.join(' ')} failed${error ? `: ${error.message}` : ''}\n`,
  );
  process.exit(1);
}
