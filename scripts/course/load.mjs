/** Loads a TypeScript file of the course. Node 24 could do that by itself, and Node 20 can't. */

import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const COURSE = path.join(ROOT, 'docs/course');
/** Below node_modules, so that the packages that a file imports are found from there. */
const BUILT = path.join(ROOT, 'node_modules/.cache/underpass-course');

/** A file's last part runs only if the file is the program itself, and not if another imports it. In one bundle, all would be. */
const onlyEntryIsMain = {
  name: 'only-entry-is-main',
  setup(building) {
    building.onLoad({ filter: /\.ts$/ }, ({ path: file }) => ({
      contents: readFileSync(file, 'utf8').replaceAll('import.meta.filename', 'undefined'),
      loader: 'ts',
    }));
  },
};

let builds = 0;

/** @param file  absolute path
 *  @param change  makes another version of its text
 *  @returns the absolute path of a JavaScript file that does the same */
export async function buildCourseFile(file, change = (text) => text) {
  mkdirSync(BUILT, { recursive: true });
  const outfile = path.join(BUILT, `${process.pid}-${builds++}.mjs`);
  await build({
    stdin: {
      contents: change(readFileSync(file, 'utf8')),
      loader: 'ts',
      resolveDir: path.dirname(file),
      sourcefile: file,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    plugins: [onlyEntryIsMain],
    sourcemap: 'inline',
    logLevel: 'silent',
    outfile,
  });
  return outfile;
}

/** @returns what the file exports */
export async function loadCourseFile(file, change) {
  return await import(pathToFileURL(await buildCourseFile(file, change)).href);
}
