// Checks that what code, tests and documents refer to exists: `spec NAME N.M` and links between documents.
//
//   node scripts/check-spec.mjs [root]

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
/** `spec streams 4.2`, `spec session 5, 6` and `spec handshake 3.3 to 3.5`. */
const CITATION = /\bspec ([a-z]+) (\d+(?:\.\d+)?(?:(?:,| to| and) \d+(?:\.\d+)?)*)/g;
const LINK = /\]\(([^)\s]+)\)/g;
const problems = [];

const sections = readSections();
for (const folder of ['packages', 'test', 'docs', 'scripts']) {
  for (const file of filesIn(path.join(root, folder), ['.ts', '.mjs', '.md'])) {
    // Its own test plants wrong ones.
    if (path.basename(file) !== 'check-spec.test.ts') checkCitations(file);
  }
}
const documents = [...filesIn(path.join(root, 'docs'), ['.md']), ...markdownAt(root)];
for (const file of documents) checkLinks(file);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);

/** The numbered headings of each page of docs/spec. */
function readSections() {
  const found = new Map();
  for (const file of filesIn(path.join(root, 'docs', 'spec'), ['.md'])) {
    const numbers = [...readFileSync(file, 'utf8').matchAll(/^#{2,4} (\d+(?:\.\d+)*)\.? /gm)].map(
      ([, n]) => n,
    );
    found.set(path.basename(file, '.md'), new Set(numbers));
  }
  return found;
}

function checkCitations(file) {
  const text = readFileSync(file, 'utf8');
  for (const match of text.matchAll(CITATION)) {
    const [whole, page, numbers] = match;
    const known = sections.get(page);
    if (known === undefined) {
      report(file, text, match.index, `${whole}: there is no docs/spec/${page}.md`);
      continue;
    }
    for (const number of numbers.split(/, | to | and /)) {
      if (!known.has(number)) report(file, text, match.index, `spec ${page} has no section ${number}`);
    }
  }
}

function checkLinks(file) {
  const text = readFileSync(file, 'utf8');
  for (const match of text.matchAll(LINK)) {
    const [target] = match[1].split('#');
    if (target === '' || /^[a-z]+:/.test(target)) continue;
    if (!existsSync(path.resolve(path.dirname(file), target))) {
      report(file, text, match.index, `link to ${target}, which is not there`);
    }
  }
}

function report(file, text, index, what) {
  problems.push(`${path.relative(root, file)}:${text.slice(0, index).split('\n').length}: ${what}`);
}

function filesIn(folder, endings) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .filter((name) => !/(^|[\\/])(node_modules|dist)[\\/]/.test(name))
    .map((name) => path.join(folder, name))
    .sort();
}

function markdownAt(folder) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join(folder, name));
}
