// Checks that what code, tests and documents refer to exists: `spec NAME N.M`, `NAME.md §N.M`, and links between
// documents. Then says which sections with a MUST no test cites; that is information and no failure.  node
// scripts/check-spec.mjs [root]

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
/** `spec streams 4.2`, `spec session 5, 6` and `spec handshake 3.3 to 3.5`. */
const CITATION = /\b[Ss]pec ([a-z]+) (\d+(?:\.\d+)?(?:(?:,| to| and) \d+(?:\.\d+)?)*)/g;
/** `streams §4.2`, `docs/spec/wire.md §3` and `[session](session.md) §5.5`; of other documents (RFC 9000 §19) nothing
 *  is known. */
const REFERENCE = /\b([a-z]+)(?:\.md\)?)? §(\d+(?:\.\d+)*)/g;
const LINK = /\]\(([^)\s]+)\)/g;
const problems = [];

/** By page, then by number: whether the section has a MUST. */
const pages = readPages();
/** `streams 4.2`, by tests. */
const tested = new Set();
for (const folder of ['packages', 'test', 'docs', 'scripts']) {
  for (const file of filesIn(path.join(root, folder), ['.ts', '.mjs', '.md'])) {
    // Its own test plants wrong ones.
    if (path.basename(file) !== 'check-spec.test.ts') checkCitations(file);
  }
}
const documents = [...filesIn(path.join(root, 'docs'), ['.md']), ...markdownAt(root)];
for (const file of documents) checkLinks(file);
for (const problem of problems) process.stderr.write(`${problem}\n`);
sayUntested();
process.exit(problems.length === 0 ? 0 : 1);

/** The numbered headings of each page of docs/spec, and what stands below them. */
function readPages() {
  const found = new Map();
  for (const file of filesIn(path.join(root, 'docs', 'spec'), ['.md'])) {
    const [, ...parts] = readFileSync(file, 'utf8').split(/^#{2,4} (?=\d)/m);
    const numbered = parts.map((part) => [part.match(/^\d+(?:\.\d+)*/)[0], /\bMUST\b/.test(part)]);
    found.set(path.basename(file, '.md'), new Map(numbered));
  }
  return found;
}

function checkCitations(file) {
  const text = readFileSync(file, 'utf8');
  const isTest = path.relative(root, file).split(path.sep).includes('test');
  for (const { 0: whole, 1: page, 2: numbers, index } of text.matchAll(CITATION)) {
    if (pages.get(page) === undefined) {
      report(file, text, index, `${whole}: there is no docs/spec/${page}.md`);
      continue;
    }
    for (const number of numbers.split(/, | to | and /)) checkSection(file, text, index, page, number);
    if (isTest) for (const number of spelledOut(page, numbers)) tested.add(`${page} ${number}`);
  }
  for (const { 1: page, 2: number, index } of text.matchAll(REFERENCE)) {
    if (pages.has(page)) checkSection(file, text, index, page, number);
  }
}

function checkSection(file, text, index, page, number) {
  if (!pages.get(page).has(number)) report(file, text, index, `spec ${page} has no section ${number}`);
}

/** Each section that `3.3 to 3.5` or `5, 6` means. */
function spelledOut(page, numbers) {
  const inOrder = [...pages.get(page).keys()];
  return numbers.split(/, | and /).flatMap((part) => {
    const [first, last = first] = part.split(' to ');
    return inOrder.slice(inOrder.indexOf(first), inOrder.indexOf(last) + 1);
  });
}

function sayUntested() {
  for (const [page, numbered] of pages) {
    const binding = [...numbered].filter(([, hasMust]) => hasMust).map(([number]) => number);
    const untested = binding.filter((number) => !tested.has(`${page} ${number}`));
    if (untested.length === 0) continue;
    process.stdout.write(
      `spec ${page}: ${untested.length} of ${binding.length} sections with a MUST are cited by no test: ${untested.join(', ')}\n`,
    );
  }
}

function checkLinks(file) {
  const text = readFileSync(file, 'utf8');
  for (const match of text.matchAll(LINK)) {
    const [target, anchor] = match[1].split('#');
    if (/^[a-z]+:/.test(target)) continue;
    const full = target === '' ? file : path.resolve(path.dirname(file), target);
    if (!existsSync(full)) {
      report(file, text, match.index, `link to ${target}, which is not there`);
    } else if (anchor !== undefined && !anchorsOf(full).has(anchor)) {
      report(file, text, match.index, `link to ${match[1]}: no such heading`);
    }
  }
}

/** What GitHub calls a page's headings in links. */
function anchorsOf(file) {
  const headings = readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, text]) =>
      text
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replace(/ /g, '-'),
    ),
  );
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
