// The manual pages, made from the definitions of the commands (packages/cli/src/manual).
//
//   node scripts/man-pages.mjs DIRECTORY

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { ownSources, REQUIRE } from './bundle.mjs';

const cli = fileURLToPath(new URL('../packages/cli', import.meta.url));

/** Writes a file for each page into `directory`.
 *  @returns their names */
export async function writeManPages(directory) {
  // It reads package.json, so it has to be in a folder of the package.
  const outfile = path.join(cli, 'dist', 'man-pages.mjs');
  await build({
    entryPoints: [path.join(cli, 'src', 'manual', 'index.ts')],
    plugins: [ownSources],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    banner: { js: REQUIRE },
    logLevel: 'warning',
  });
  const { manual } = await import(pathToFileURL(outfile).href);
  mkdirSync(directory, { recursive: true });
  const pages = manual();
  for (const { file, text } of pages) writeFileSync(path.join(directory, file), `${text}\n`);
  return pages.map(({ file }) => file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeManPages(process.argv[2] ?? 'man');
