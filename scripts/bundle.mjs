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
const playground = path.join(root, 'packages', 'playground');
/** The page of the inspector (packages/cli/src/inspect/page-files.ts). */
const PAGE = path.join(outdir, 'inspector');

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

/** Writes packages/cli/bundle: main.js, http-service.js (for the demo), relay-worker.js, the library with its declarations, a chunk
 *  for each command with what only that command needs, and in the folder inspector a page for browsers.
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
  const page = await bundlePage();
  writeChanged(outdir, [...outputFiles.map(withRequiredModules), ...DECLARATIONS.map(declaration)]);
  writeChanged(PAGE, page.files);
  return Object.keys({ ...metafile.inputs, ...page.metafile.inputs }).map((file) => path.resolve(root, file));
}

/** The page needs nothing of Vite, which serves the playground: this is faster, and npm run build does without Vite. */
async function bundlePage() {
  const { outputFiles, metafile } = await build({
    entryPoints: ['main.tsx', 'style.css'].map((name) => ({
      in: path.join(playground, 'src', 'live', name),
      out: 'page',
    })),
    plugins: [ownSources],
    outdir: PAGE,
    write: false,
    metafile: true,
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    minify: true,
    // THIRD-PARTY-LICENSES.txt has them.
    legalComments: 'none',
    logLevel: 'warning',
  });
  const html = {
    path: path.join(PAGE, 'index.html'),
    contents: readFileSync(path.join(playground, 'inspector.html')),
  };
  return { files: [...outputFiles, html], metafile };
}

/** A static import of a module of Node's, as esbuild writes it. */
const IMPORT = /\bimport ?(?:\{([^{}]*)\}|(?:\* as )?([\w$]+) ?)from"(node:[\w/]+)";/g;

/** Replaces imports of Node's modules with require. To import one, Node reads all of its exports, and loads for some of them
 *  what hardly any program needs: for `node:http` a whole HTTP client, which takes as long as starting Node does
 *  (docs/adr/0011-bundle.md). */
function withRequiredModules(file) {
  if (!file.path.endsWith('.js')) return file;
  const text = file.text.replace(IMPORT, (_, names, whole, module) => {
    const what = names === undefined ? whole : `{${names.replace(/ as /g, ':')}}`;
    return `const ${what}=require("${module}");`;
  });
  return { path: file.path, contents: Buffer.from(text) };
}

function declaration(name) {
  return {
    path: path.join(outdir, `${name}.d.ts`),
    contents: readFileSync(path.join(LIBRARY, `${name}.ts`)),
  };
}

/** Leaves unchanged files alone, because a running program may not have loaded all of them yet. */
function writeChanged(folder, files) {
  mkdirSync(folder, { recursive: true });
  const names = new Set(files.map((file) => path.basename(file.path)));
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isFile() && !names.has(entry.name)) rmSync(path.join(folder, entry.name));
  }
  for (const file of files) {
    if (existsSync(file.path) && readFileSync(file.path).equals(file.contents)) continue;
    writeFileSync(file.path, file.contents);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
