// Builds the playground as static files, and serves them on this machine.
//
//   node scripts/playground.mjs [--port N] [--dev]     builds, and serves it until it is stopped
//   node scripts/playground.mjs --out FOLDER [--spec ADDRESS]   only builds it into that folder
//
//   --spec    the address of the folder with the pages of the specification, such as ../spec/, for links to its sections
//
// All addresses in the files are relative, so the folder can be served from anywhere. With --dev, the page follows the
// sources as they are edited, and has no Content-Security-Policy.

import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build, createServer, preview } from 'vite';
import { contentSecurityPolicy, PAGE_FOLDER, playgroundConfig } from '../packages/playground/vite.config.mjs';

const DEFAULT_PORT = 5173;

/** Builds the playground.
 *  @param outDir  an absolute path; what is in the folder is removed
 *  @param specBase  the address of the folder with the pages of the specification, such as `../spec/`, relative to the
 *    page. Without it, sections are named but not linked. */
export async function buildPlayground(outDir, { specBase = '', quiet = true } = {}) {
  await build({
    ...playgroundConfig({ specBase }),
    build: { outDir, emptyOutDir: true, target: 'es2022', modulePreload: false, reportCompressedSize: false },
    logLevel: quiet ? 'warn' : 'info',
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main();

async function main() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      out: { type: 'string' },
      spec: { type: 'string' },
      dev: { type: 'boolean' },
    },
  });
  if (values.out !== undefined) {
    return buildPlayground(path.resolve(values.out), { specBase: values.spec, quiet: false });
  }
  const port = Number(values.port ?? DEFAULT_PORT);
  const config = playgroundConfig({ specBase: '' });
  if (values.dev) {
    const server = await createServer({ ...config, plugins: [], server: { port, host: '127.0.0.1' } });
    await server.listen();
    return announce(server.resolvedUrls);
  }
  await buildPlayground(PAGE_FOLDER);
  const server = await preview({
    ...config,
    build: { outDir: PAGE_FOLDER },
    preview: { port, host: '127.0.0.1', headers: { 'Content-Security-Policy': contentSecurityPolicy } },
    logLevel: 'warn',
  });
  announce(server.resolvedUrls);
}

function announce({ local }) {
  process.stdout.write(`The playground is at ${local[0]}\nPress Ctrl+C to stop.\n`);
}
