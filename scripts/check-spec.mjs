// Checks that what code, tests and documents refer to exists: `spec NAME N.M`, `NAME.md §N.M`, and links between
// documents.
//
// Then checks that a test proves every sentence of the specification that has a MUST. A test names the sentence by
// quoting a few of its words after the section, as in `spec NAME N.M: "the first word"`. The words must be in that
// section, so whoever changes the sentence has to look at the test again. A bare `spec NAME N.M` is enough where the
// section has only one such sentence.
//
//   node scripts/check-spec.mjs [root]
//   node scripts/check-spec.mjs --list [root]   also prints every such sentence and the tests that prove it

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [isList, rootArgument] =
  process.argv[2] === '--list' ? [true, process.argv[3]] : [false, process.argv[2]];
const root = path.resolve(rootArgument ?? fileURLToPath(new URL('..', import.meta.url)));
/** `spec streams 4.2`, `spec session 5, 6` and `spec handshake 3.3 to 3.5`. */
const CITATION = /\b[Ss]pec ([a-z]+) (\d+(?:\.\d+)?(?:(?:,| to| and) \d+(?:\.\d+)?)*)/g;
/** What may follow a citation: words of the section that it names last. */
const QUOTES = /^: "[^"]+"(?:, "[^"]+")*/;
/** `streams §4.2`, `docs/spec/wire.md §3` and `[session](session.md) §5.5`; of other documents (RFC 9000 §19) nothing
 *  is known. */
const REFERENCE = /\b([a-z]+)(?:\.md\)?)? §(\d+(?:\.\d+)*)/g;
const LINK = /\]\(([^)\s]+)\)/g;
const problems = [];

/** By page, then by number: the section's text, and its sentences with a MUST, each with the tests that prove it. */
const pages = readPages();
for (const folder of ['packages', 'test', 'docs', 'scripts']) {
  for (const file of filesIn(path.join(root, folder), ['.ts', '.mjs', '.md'])) {
    // Its own test plants wrong ones.
    if (path.basename(file) !== 'check-spec.test.ts') checkCitations(file);
  }
}
const documents = [...filesIn(path.join(root, 'docs'), ['.md']), ...markdownAt(root)];
for (const file of documents) checkLinks(file);
checkProofs();
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (isList) listProofs();
process.exit(problems.length === 0 ? 0 : 1);

/** The numbered sections of each page of docs/spec. */
function readPages() {
  const found = new Map();
  for (const file of filesIn(path.join(root, 'docs', 'spec'), ['.md'])) {
    const [, ...parts] = readFileSync(file, 'utf8').split(/^#{2,4} (?=\d)/m);
    const numbered = parts.map((part) => [part.match(/^\d+(?:\.\d+)*/)[0], readSection(part)]);
    found.set(path.basename(file, '.md'), new Map(numbered));
  }
  return found;
}

function readSection(markdown) {
  const blocks = markdown.split(/\n{2,}|\n(?=- )/).map(plain);
  // A sentence ends at a full stop, perhaps behind a bracket, before a space.
  const sentences = blocks.flatMap((block) => block.split(/(?<=[.?!][)"]?) /));
  const binding = sentences.filter((sentence) => /\bMUST\b/.test(sentence));
  return { text: plain(markdown), musts: binding.map((sentence) => ({ sentence, tests: [] })) };
}

/** Without line ends and emphasis, so that words can be compared. */
function plain(text) {
  return text
    .replace(/[*`]|\b_|_\b/g, '')
    .replace(/\s+(?:\/\/\s*)?/g, ' ')
    .trim();
}

function checkCitations(file) {
  const text = readFileSync(file, 'utf8');
  const isTest = path.relative(root, file).split(path.sep).includes('test');
  for (const { 0: whole, 1: page, 2: numbers, index } of text.matchAll(CITATION)) {
    if (pages.get(page) === undefined) {
      report(file, text, index, `${whole}: there is no docs/spec/${page}.md`);
      continue;
    }
    const cited = numbers.split(/, | to | and /);
    for (const number of cited) checkSection(file, text, index, page, number);
    const quotes = quotesIn(text.slice(index + whole.length));
    for (const quote of quotes) checkQuote(file, text, index, page, cited.at(-1), quote);
    if (isTest) noteTest(file, text, index, page, spelledOut(page, numbers), quotes);
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

function quotesIn(text) {
  const quotes = text.match(QUOTES)?.[0].match(/"[^"]+"/g) ?? [];
  return quotes.map((quote) => plain(quote.slice(1, -1)));
}

function checkQuote(file, text, index, page, number, quote) {
  const section = pages.get(page).get(number);
  if (section !== undefined && !section.text.includes(quote)) {
    report(file, text, index, `spec ${page} ${number} does not say "${quote}"`);
  }
}

function noteTest(file, text, index, page, numbers, quotes) {
  const where = placeOf(file, text, index);
  for (const number of numbers) {
    const musts = pages.get(page).get(number).musts;
    const isLast = number === numbers.at(-1);
    for (const must of musts) {
      const isQuoted = isLast && quotes.some((quote) => must.sentence.includes(quote));
      if (isQuoted || musts.length === 1) must.tests.push(where);
    }
  }
}

function checkProofs() {
  for (const [page, number, must] of allMusts()) {
    if (must.tests.length > 0) continue;
    problems.push(
      `docs/spec/${page}.md: no test proves this sentence; let one cite spec ${page} ${number}: "a few of its words": ${must.sentence}`,
    );
  }
}

function listProofs() {
  for (const [page, number, must] of allMusts()) {
    process.stdout.write(`spec ${page} ${number}: ${must.sentence}\n`);
    for (const where of must.tests) process.stdout.write(`    ${where}\n`);
  }
}

function allMusts() {
  return [...pages].flatMap(([page, sections]) =>
    [...sections].flatMap(([number, { musts }]) => musts.map((must) => [page, number, must])),
  );
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

/** What GitHub calls a page's headings in links, and the anchors that the page names itself. */
function anchorsOf(file) {
  const page = readFileSync(file, 'utf8');
  const headings = Array.from(page.matchAll(/^#+ (.+)$/gm), ([, text]) =>
    text
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replace(/ /g, '-'),
  );
  const named = Array.from(page.matchAll(/<a id="([^"]+)"/g), ([, id]) => id);
  return new Set([...headings, ...named]);
}

function report(file, text, index, what) {
  problems.push(`${placeOf(file, text, index)}: ${what}`);
}

function placeOf(file, text, index) {
  return `${path.relative(root, file)}:${text.slice(0, index).split('\n').length}`;
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
