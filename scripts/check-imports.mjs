// Checks imports against the arrows of docs/architecture.md. Prints each violation, and fails if there are any.
//
//   node scripts/check-imports.mjs [root]

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

/** Each package, and the packages that it may import. A name with a slash permits that entry point alone. */
const PACKAGES = {
  protocol: [],
  runtime: ['protocol'],
  forward: ['protocol', 'runtime'],
  client: ['protocol', 'runtime', 'forward'],
  relay: ['protocol', 'runtime', 'forward'],
  cli: ['protocol', 'runtime', 'forward', 'client', 'relay', 'trace'],
  trace: ['protocol'],
  testkit: ['protocol'],
  playground: ['protocol', 'trace', 'testkit/simulation'],
};

/** The part of testkit that is for programs too. */
const SIMULATION = 'testkit/simulation';

/** The packages that run in a browser too: they import nothing of Node. */
const PLATFORM_FREE = new Set(['protocol', 'trace', 'testkit', 'playground']);

/** Each folder of packages/protocol/src, and the folders that it may import. The two halves, wireguard and transport,
 *  meet only in endpoint. Files outside the folders are primitives: they import no folder, and every folder may import
 *  them. */
const PROTOCOL_FOLDERS = {
  crypto: [],
  wireguard: ['crypto'],
  'transport/wire': [],
  'transport/recovery': ['transport/wire'],
  'transport/congestion': [],
  'transport/path': [],
  'transport/streams': ['transport/wire'],
  transport: [
    'transport/wire',
    'transport/recovery',
    'transport/congestion',
    'transport/path',
    'transport/streams',
  ],
  endpoint: ['crypto', 'wireguard', 'transport', 'transport/wire', 'transport/path'],
};
/** Folders from which only types may be imported. */
const PROTOCOL_TYPES = { endpoint: ['transport/streams'] };
/** The limits of the transport, which each of its folders may import. */
const TRANSPORT_LIMITS = path.join('transport', 'limits.ts');

/** Globals that the protocol must not use: time and randomness are arguments. The compiler rejects most of them, but
 *  not Date. */
const PLATFORM = new Set(
  (
    'Buffer Date clearTimeout console globalThis performance process queueMicrotask require setImmediate ' +
    'setInterval setTimeout'
  ).split(' '),
);

const root = path.resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
const problems = [];
for (const name of readdirSync(path.join(root, 'packages')).sort()) checkPackage(name);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);

function checkPackage(name) {
  const allowed = PACKAGES[name];
  if (allowed === undefined) {
    problems.push(`packages/${name}: not in the list of packages of scripts/check-imports.mjs`);
    return;
  }
  const folder = path.join(root, 'packages', name);
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const runtimeDependencies = { ...manifest.dependencies, ...manifest.optionalDependencies };
  if (runtimeDependencies['@underpass/testkit'] !== undefined && !allowed.includes(SIMULATION)) {
    problems.push(`packages/${name}/package.json: testkit belongs to devDependencies`);
  }
  const sources = path.join(folder, 'src');
  const graph = new Map();
  for (const file of filesIn(sources)) {
    const { imports, globals } = read(file);
    for (const entry of imports) checkImport({ name, allowed, sources, file, runtimeDependencies, ...entry });
    if (name === 'protocol') for (const entry of globals) report(file, entry.line, `uses ${entry.what}`);
    const own = imports.filter(({ to }) => to.startsWith('.'));
    graph.set(
      file,
      own.map(({ to }) => resolve(file, to)),
    );
  }
  reportCycles(graph);
  for (const file of filesIn(path.join(folder, 'test'))) {
    for (const entry of read(file).imports) checkTestImport({ name, allowed, folder, file, ...entry });
  }
}

function checkImport({ name, allowed, sources, file, runtimeDependencies, to, isType, line }) {
  const wrong = (why) => report(file, line, `imports ${to}: ${why}`);
  if (to.startsWith('.')) {
    const target = resolve(file, to);
    if (!isWithin(sources, target)) return wrong('outside the package: use its public name');
    if (!to.endsWith('.js')) return wrong('a relative import ends in .js');
    return name === 'protocol' ? checkFolder(sources, file, target, isType, wrong) : undefined;
  }
  if (isBuiltin(to)) {
    if (PLATFORM_FREE.has(name)) return wrong(`${name} knows no platform`);
    if (!to.startsWith('node:')) return wrong(`write node:${to}`);
    if (to === 'node:dgram' && name !== 'runtime') return wrong('only runtime has UDP sockets');
    return undefined;
  }
  const [scope, other] = to.split('/');
  if (scope === '@underpass' && !checkPackageName(to, name, allowed, wrong)) return undefined;
  const dependency = to.startsWith('@') ? `${scope}/${other}` : scope;
  if (runtimeDependencies[dependency] === undefined) wrong(`not among the dependencies of ${name}`);
  return undefined;
}

/** Tests may import their own package, the packages that it may import, testkit, and the helpers in the root's test
 *  folder. */
function checkTestImport({ name, allowed, folder, file, to, line }) {
  const wrong = (why) => report(file, line, `imports ${to}: ${why}`);
  const own = [folder, path.join(root, 'test')];
  if (to.startsWith('.') && !own.some((place) => isWithin(place, resolve(file, to)))) {
    wrong('outside the package: use its public name');
  }
  if (to.startsWith('@underpass/')) checkPackageName(to, name, [...allowed, name, 'testkit'], wrong);
}

function checkPackageName(to, name, allowed, wrong) {
  const [, other, ...deeper] = to.split('/');
  if (deeper.length > 0 && !exportsOf(other).includes(`./${deeper.join('/')}`)) {
    wrong('a package is imported by its public name');
  } else if (!allowed.includes(other) && !allowed.includes([other, ...deeper].join('/')))
    wrong(`${name} may import ${allowed.join(', ') || 'no package'}`);
  else return true;
  return false;
}

/** The additional entry points of a package, such as `./crypto`. */
function exportsOf(name) {
  const manifest = path.join(root, 'packages', name, 'package.json');
  return existsSync(manifest) ? Object.keys(JSON.parse(readFileSync(manifest, 'utf8')).exports ?? {}) : [];
}

function checkFolder(sources, file, target, isType, wrong) {
  const from = folderOf(sources, file);
  const to = folderOf(sources, target);
  // index.ts exports from every folder.
  if (to === '' || from === to || path.relative(sources, file) === 'index.ts') return;
  if (from === '') return wrong('a primitive imports no folder');
  const allowed = PROTOCOL_FOLDERS[from];
  if (allowed === undefined) return wrong(`${from} is not in the list of scripts/check-imports.mjs`);
  if (allowed.includes(to)) return;
  if (from.startsWith('transport/') && path.relative(sources, target) === TRANSPORT_LIMITS) return;
  const asTypes = PROTOCOL_TYPES[from]?.includes(to);
  if (asTypes && isType) return;
  wrong(
    asTypes
      ? `${from} may import its types only`
      : `${from} may import ${allowed.join(', ') || 'primitives only'}`,
  );
}

/** The deepest listed folder that contains the file, or '' for a primitive. */
function folderOf(sources, file) {
  const parts = path.relative(sources, file).split(path.sep).slice(0, -1);
  for (let depth = parts.length; depth > 0; depth--) {
    const folder = parts.slice(0, depth).join('/');
    if (PROTOCOL_FOLDERS[folder] !== undefined) return folder;
  }
  return parts.join('/');
}

/** Every module that a file imports, including in types and in `import()`, and every platform global that it uses. */
function read(file) {
  const source = readFileSync(file, 'utf8');
  const { program, errors } = parseSync(file, source);
  if (errors.length > 0) report(file, 1, errors[0].message);
  const imports = [];
  const globals = [];
  visit(program, (node) => {
    const line = () => source.slice(0, node.start).split('\n').length;
    if (typeof node.source?.value === 'string') {
      const isType = node.importKind === 'type' || node.exportKind === 'type' || node.type === 'TSImportType';
      imports.push({ to: node.source.value, isType, line: line() });
    }
    const what = globalOf(node);
    if (what !== undefined) globals.push({ what, line: line() });
  });
  return { imports, globals };
}

/** Detects `process.env`, `setTimeout(…)`, `new Date()` and `Math.random()`. */
function globalOf({ type, object, property, callee }) {
  if (type === 'MemberExpression' && object.name === 'Math' && property.name === 'random')
    return 'Math.random';
  const name = type === 'MemberExpression' ? object.name : callee?.name;
  return PLATFORM.has(name) ? name : undefined;
}

function visit(node, look) {
  if (node === null || typeof node !== 'object') return;
  if (typeof node.type === 'string') look(node);
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const item of value) visit(item, look);
    else visit(value, look);
  }
}

/** Reports files that import each other, even if only for a type: neither can be understood or moved without the
 *  other. */
function reportCycles(graph) {
  const state = new Map();
  const walk = (file, trail) => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      const cycle = [...trail.slice(trail.indexOf(file)), file].map((entry) => path.relative(root, entry));
      problems.push(`a cycle: ${cycle.join(' -> ')}`);
      return;
    }
    state.set(file, 'open');
    for (const next of graph.get(file) ?? []) walk(next, [...trail, file]);
    state.set(file, 'done');
  };
  for (const file of graph.keys()) walk(file, []);
}

function report(file, line, what) {
  problems.push(`${path.relative(root, file)}:${line}: ${what}`);
}

function isWithin(folder, file) {
  return file.startsWith(`${folder}${path.sep}`);
}

function resolve(file, to) {
  const source = path.resolve(path.dirname(file), to).replace(/\.js$/, '.ts');
  return existsSync(source) ? source : `${source}x`;
}

function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => path.join(folder, name))
    .sort();
}
