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

/** What relays and clients load only if they need it. None of it may keep a state that others need, because these files and
 *  the programs below have copies of what both use. */
const LATE = [
  'packages/cli/src/commands/spawn-relay-worker.ts',
  'packages/cli/src/metrics/metrics-registry.ts',
  'packages/cli/src/pretty-log.ts',
  'packages/runtime/src/crypto/wasm-module.ts',
];

/** ES modules: the files of the entries, and files with what several of them have in common. */
const ENTRIES = [
  'packages/cli/src/main.ts',
  'packages/cli/src/demo/http-service.ts',
  'packages/cli/src/relay-worker.ts',
  'packages/cli/src/library/index.ts',
  'packages/cli/src/library/relay.ts',
  ...LATE,
];
/** Names of entries that differ from those of their files. */
const NAMES = {
  'packages/cli/src/library/index.ts': 'library',
  'packages/cli/src/library/relay.ts': 'library-relay',
};

/** Programs of one file each. They are CommonJS, which Node loads faster, on Node 20 above all. */
const PROGRAMS = ['packages/cli/src/main-relay.ts', 'packages/cli/src/main-client.ts'];

/** What the program never calls of its dependencies, so that loading it would be for nothing. Each would fail at its use. */
const UNUSED = [
  { module: 'node:child_process', by: 'commander', why: 'its commands may be programs of their own' },
  { module: './transport', by: 'pino', why: 'its destination may be in a thread' },
  { module: './lib/transport', by: 'pino', why: 'the same' },
  { module: 'worker_threads', by: 'pino', why: 'it writes elsewhere in a thread' },
];

/** Replaces modules that are never used by empty ones. */
const withoutUnused = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    for (const { module, by } of UNUSED) {
      onResolve({ filter: new RegExp(`^${module.replace('.', '\\.')}$`) }, ({ importer }) =>
        importer.includes(`/node_modules/${by}/`) ? { path: module, namespace: 'unused' } : undefined,
      );
    }
    onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** Leaves what is loaded late to the files of the other build. */
const withoutLate = {
  name: 'without-late',
  setup({ onResolve }) {
    const late = new Set(LATE.map(nameOf));
    onResolve({ filter: /./ }, ({ kind, path: specifier }) => {
      const name = path.basename(specifier, '.js');
      if (kind === 'dynamic-import' && late.has(name)) return { path: `./${name}.js`, external: true };
    });
  },
};

/** Writes packages/cli/bundle: main.js, main-relay.cjs and main-client.cjs, http-service.js (for the demo), relay-worker.js,
 *  the library with its declarations, a chunk for each command with what only that command needs, and in the folder
 *  inspector a page for browsers.
 *  @returns the paths of the files that went into it */
export async function bundle() {
  const builds = await Promise.all([bundleEntries(ENTRIES, MODULES), bundleEntries(PROGRAMS, ONE_FILE)]);
  const page = await bundlePage();
  const files = builds.flatMap(({ outputFiles }) => outputFiles.map(withRequiredModules));
  writeChanged(outdir, [...files, ...DECLARATIONS.map(declaration)]);
  writeChanged(PAGE, page.files);
  const inputs = Object.assign({}, ...builds.map(({ metafile }) => metafile.inputs), page.metafile.inputs);
  return Object.keys(inputs).map((file) => path.resolve(root, file));
}

/** Options of esbuild. */
const MODULES = {
  format: 'esm',
  splitting: true,
  plugins: [ownSources, withoutUnused],
  banner: { js: REQUIRE },
};
const ONE_FILE = {
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  plugins: [withoutLate, ownSources, withoutUnused],
  define: { 'import.meta.url': 'underpassUrl' },
  banner: { js: 'const underpassUrl = require("node:url").pathToFileURL(__filename).href;' },
};

function bundleEntries(entries, options) {
  return build({
    ...options,
    entryPoints: Object.fromEntries(entries.map((entry) => [nameOf(entry), path.join(root, entry)])),
    outdir,
    write: false,
    metafile: true,
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    sourcemap: 'linked',
    sourcesContent: false,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'linked',
    logLevel: 'warning',
  });
}

function nameOf(entry) {
  return NAMES[entry] ?? path.basename(entry, '.ts');
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
