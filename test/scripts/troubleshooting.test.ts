/** docs/troubleshooting.md has an entry for everything that the program can report. */
import { readdirSync, readFileSync } from 'node:fs';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';
import { FINDINGS } from '../../packages/cli/src/doctor/findings.js';
import { REQUEST_STATUSES } from '../../packages/forward/src/request.js';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const page = read('troubleshooting.md');
const headings = Array.from(page.matchAll(/^### (.+)$/gm), ([, heading]) => heading as string);

/** The rows of the table of log events in docs/cli.md: each event with its level. */
const events = Array.from(
  read('cli.md').matchAll(/^\| (`[a-z-]+`(?:, `[a-z-]+`)*) +\|[^|]+\|([^|]+)\|/gm),
).flatMap(([, names = '', levels = '']) => {
  const level = levels.trim().split(', ');
  return names.split(', ').map((name, index) => ({ name, level: level[index] ?? level.at(-1) ?? '' }));
});

/** A call or `new` in the sources: what is called, and its arguments as they are written. */
interface Call {
  readonly file: string;
  readonly name: string;
  readonly source: readonly string[];
  /** The constant words of each argument that is a text, with … for what varies. */
  readonly words: readonly (string | undefined)[];
}

interface Node {
  readonly type?: string;
  readonly start: number;
  readonly end: number;
  readonly callee?: { readonly type: string; readonly name: string };
  readonly arguments?: readonly Node[];
  readonly value?: unknown;
  readonly quasis?: readonly { readonly value: { readonly cooked: string } }[];
}

function wordsOf({ type, value, quasis }: Node): string | undefined {
  if (type === 'Literal' && typeof value === 'string') return value;
  return type === 'TemplateLiteral' ? quasis?.map((quasi) => quasi.value.cooked).join('…') : undefined;
}

function callsIn(file: string, text: string): Call[] {
  const calls: Call[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { callee, arguments: given = [] } = node as Node;
    if (callee?.type === 'Identifier') {
      const source = given.map(({ start, end }) => text.slice(start, end));
      calls.push({ file, name: callee.name, source, words: given.map(wordsOf) });
    }
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseSync(file, text).program);
  return calls;
}

const packages = new URL('../../packages/', import.meta.url);
/** What a user of the commands can meet. The demo and the library are for other readers. */
const calls = ['cli', 'client', 'relay', 'forward', 'runtime'].flatMap((name) => {
  const folder = new URL(`${name}/src/`, packages);
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/(^|\/)(demo|library)(\/|\.ts)/.test(file))
    .flatMap((file) => callsIn(`${name}/${file}`, readFileSync(new URL(file, folder), 'utf8')));
});

/** The failures: those of the commands, and those of the packages, which have no other kind. */
function failureIn({ file, name, source, words }: Call): string | undefined {
  if (name === 'CliError') return source[0] === 'ExitCode.failure' ? words[1] : undefined;
  if (name === 'UnderpassError') return words[1];
  if (name === 'failure' && file.endsWith('/enrol-text.ts')) return words[1];
  return name === 'refusal' && file.startsWith('cli/') ? words[0] : undefined;
}

describe('docs/troubleshooting.md', () => {
  it('has an entry for each finding of the doctor, and for nothing else', () => {
    const titles = Object.values(FINDINGS).map(({ title }) => title);
    expect(headings.filter((heading) => !heading.startsWith('`'))).toEqual(titles);
  });

  it('has an entry for each warning and error in the log', () => {
    expect(events.length).toBeGreaterThan(20);
    const warnings = events.filter(({ level }) => level === 'warn' || level === 'error');
    expect(warnings.filter(({ name }) => !headings.includes(name))).toEqual([]);
  });

  it('has an entry for each failure of a command, and for nothing else', () => {
    const failures = new Set(calls.map(failureIn).filter((words) => words !== undefined));
    const [, section = ''] = page.split('## What a command prints when it fails\n');
    const listed = Array.from(section.matchAll(/^\| `(.+?)` +\|/gm), ([, line]) => line);
    expect(new Set(listed)).toEqual(failures);
    expect(listed).toHaveLength(failures.size);
  });

  it('needs no entry for a mistake of the user, because the line says what to do or what was expected', () => {
    const mistakes = calls.filter(
      ({ name, source }) =>
        name === 'usageError' || (name === 'CliError' && /^ExitCode\.(usage|config)$/.test(source[0] ?? '')),
    );
    expect(mistakes.length).toBeGreaterThan(50);
    const mute = mistakes.filter(({ name, source }) => {
      const [message = '', hint = "''"] = name === 'usageError' ? source : source.slice(1);
      return hint === "''" && !/expected|reason|problems/.test(message);
    });
    expect(mute.map(({ file, source }) => `${file}: ${source.join(', ')}`)).toEqual([]);
  });

  it('has an entry for each status of a refusal', () => {
    const [, section = ''] = page.split('## Why a connection was refused\n');
    const [table = ''] = section.split('\n## ');
    const listed = Array.from(table.matchAll(/^\| `([a-z-]+)` /gm), ([, status]) => status);
    expect(listed).toEqual(REQUEST_STATUSES.filter((status) => status !== 'opened'));
  });
});

describe('each finding', () => {
  it.each(Object.entries(FINDINGS))('%s says what is wrong and what to do', (_id, { title, advice }) => {
    expect(title).toMatch(/^[A-Z][^.:]+$/);
    expect(advice).toMatch(/^[a-z].*[^.]$/);
  });
});
