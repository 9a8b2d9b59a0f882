// Checks who imports whom: the arrows of docs/architecture.md. Prints each wrong one and fails.
//
//   node scripts/check-imports.mjs [root]

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

/** Each package and those it may import. */
const PACKAGES = {
  protocol: [],
  runtime: ['protocol'],
  forward: ['protocol', 'runtime'],
  client: ['protocol', 'runtime', 'forward'],
  relay: ['protocol', 'runtime', 'forward'],
  cli: ['protocol', 'runtime', 'forward', 'client', 'relay'],
  testkit: ['protocol'],
};

/** Each folder of packages/protocol/src and those it may import. Files beside the folders are primitives: they import
 *  no folder, and everybody may import them. */
const PROTOCOL_FOLDERS = {
  crypto: [],
  wire: [],
  handshake: ['crypto', 'wire'],
  session: ['crypto', 'wire', 'handshake'],
  recovery: ['wire'],
  congestion: [],
  streams: ['wire'],
  connection: ['wire', 'recovery', 'congestion', 'streams'],
  endpoint: ['crypto', 'wire', 'session', 'connection', 'streams'],
};
/** They state the whole package's face, or use nothing but types from above. */
const PROTOCOL_FACES = new Set(['index.ts']);

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
  if (runtimeDependencies['@underpass/testkit'] !== undefined) {
    problems.push(`packages/${name}/package.json: testkit belongs to devDependencies`);
  }
  const sources = path.join(folder, 'src');
  const graph = new Map();
  for (const file of filesIn(sources)) {
    const imports = importsOf(file);
    for (const entry of imports) checkImport({ name, allowed, sources, file, runtimeDependencies, ...entry });
    graph.set(
      file,
      imports.filter(({ isType, to }) => !isType && to.startsWith('.')).map(({ to }) => resolve(file, to)),
    );
  }
  reportCycles(graph);
}

function checkImport({ name, allowed, sources, file, runtimeDependencies, to, line }) {
  const wrong = (why) => problems.push(`${path.relative(root, file)}:${line}: imports ${to}: ${why}`);
  if (to.startsWith('.')) {
    const target = resolve(file, to);
    if (!target.startsWith(`${sources}${path.sep}`)) return wrong('outside the package: use its public name');
    if (!to.endsWith('.js')) return wrong('a relative import ends in .js');
    return name === 'protocol' ? checkFolder(sources, file, target, wrong) : undefined;
  }
  if (to.startsWith('node:')) {
    if (name === 'protocol' || name === 'testkit') return wrong(`${name} knows no platform`);
    if (to === 'node:dgram' && name !== 'runtime') return wrong('only runtime has UDP sockets');
    return undefined;
  }
  const [scope, other, ...deeper] = to.split('/');
  if (scope === '@underpass') {
    if (deeper.length > 0) return wrong('a package is imported by its public name');
    if (!allowed.includes(other)) return wrong(`${name} may import ${allowed.join(', ') || 'no package'}`);
  }
  const dependency = to.startsWith('@') ? `${scope}/${other}` : scope;
  if (runtimeDependencies[dependency] === undefined) wrong(`not among the dependencies of ${name}`);
  return undefined;
}

function checkFolder(sources, file, target, wrong) {
  const from = folderOf(sources, file);
  const to = folderOf(sources, target);
  if (to === '' || from === to || PROTOCOL_FACES.has(path.relative(sources, file))) return;
  if (from === '') return wrong('a primitive imports no folder');
  const allowed = PROTOCOL_FOLDERS[from];
  if (allowed === undefined) return wrong(`${from} is not in the list of scripts/check-imports.mjs`);
  if (!allowed.includes(to)) wrong(`${from} may import ${allowed.join(', ') || 'primitives only'}`);
}

function folderOf(sources, file) {
  const [first, ...rest] = path.relative(sources, file).split(path.sep);
  return rest.length === 0 ? '' : first;
}

/** Every module that a file names, also in types and in `import()`. */
function importsOf(file) {
  const source = readFileSync(file, 'utf8');
  const { program, errors } = parseSync(file, source);
  if (errors.length > 0) problems.push(`${path.relative(root, file)}: ${errors[0].message}`);
  const found = [];
  visit(program, (node) => {
    if (typeof node.source?.value !== 'string') return;
    const isType = node.importKind === 'type' || node.exportKind === 'type' || node.type === 'TSImportType';
    const line = source.slice(0, node.start).split('\n').length;
    found.push({ to: node.source.value, isType, line });
  });
  return found;
}

function visit(node, look) {
  if (node === null || typeof node !== 'object') return;
  if (typeof node.type === 'string') look(node);
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const item of value) visit(item, look);
    else visit(value, look);
  }
}

/** Files that need each other to be loaded. */
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

function resolve(file, to) {
  return path.resolve(path.dirname(file), to).replace(/\.js$/, '.ts');
}

function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.join(folder, name))
    .sort();
}
