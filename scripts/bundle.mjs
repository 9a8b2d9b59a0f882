// Bundles the program: packages/cli and everything it needs, including dependencies, in a few files that Node loads
// quickly (docs/adr/0011-bundle.md).
//
//   node scripts/bundle.mjs
//
// The optional native packages are not bundled: the program loads them if they are installed.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { sourcesByName } from './sources.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = path.join(root, 'packages', 'cli');
const outdir = path.join(cli, 'bundle');

const LIBRARY = path.join(cli, 'src', 'library');
/** The library's public types, which are declarations already: nothing but types, and no imports but of Node's and each
 *  other. */
const DECLARATIONS = ['api', 'relay-api'];

/** CommonJS dependencies load Node's modules with require, which an ES module does not have. */
export const REQUIRE =
  "import { createRequire as underpassCreateRequire } from 'node:module'; const require = underpassCreateRequire(import.meta.url);";

/** Resolves our own packages to their sources. */
export const ownSources = {
  name: 'own-sources',
  setup({ onResolve }) {
    const sources = sourcesByName();
    onResolve({ filter: /^@underpass\// }, (request) => ({
      path: sources.get(request.path),
      sideEffects: false,
    }));
  },
};

/** Writes packages/cli/bundle: main.js, http-service.js (for the demo), relay-worker.js, the library with its declarations, and a chunk
 *  for each command with what only that command needs.
 *  @returns the paths of the files that went into it */
export async function bundle() {
  const { outputFiles, metafile } = await build({
    entryPoints: {
      main: path.join(cli, 'src', 'main.ts'),
      'http-service': path.join(cli, 'src', 'demo', 'http-service.ts'),
      'relay-worker': path.join(cli, 'src', 'relay-worker.ts'),
      library: path.join(LIBRARY, 'index.ts'),
      'library-relay': path.join(LIBRARY, 'relay.ts'),
    },
    plugins: [ownSources],
    outdir,
    write: false,
    metafile: true,
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    sourcemap: 'linked',
    minifySyntax: true,
    minifyWhitespace: true,
    banner: { js: REQUIRE },
    legalComments: 'linked',
    logLevel: 'warning',
  });
  writeChanged([...outputFiles, ...DECLARATIONS.map(declaration)]);
  return Object.keys(metafile.inputs).map((file) => path.resolve(root, file));
}

function declaration(name) {
  return {
    path: path.join(outdir, `${name}.d.ts`),
    contents: readFileSync(path.join(LIBRARY, `${name}.ts`)),
  };
}

/** Leaves unchanged files alone, because a running program may not have loaded all of them yet. */
function writeChanged(files) {
  mkdirSync(outdir, { recursive: true });
  const names = new Set(files.map((file) => path.basename(file.path)));
  for (const name of readdirSync(outdir)) if (!names.has(name)) rmSync(path.join(outdir, name));
  for (const file of files) {
    if (existsSync(file.path) && readFileSync(file.path).equals(file.contents)) continue;
    writeFileSync(file.path, file.contents);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
