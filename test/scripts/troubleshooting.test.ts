/** docs/troubleshooting.md has an entry for everything that the program can report. */
import { readFileSync } from 'node:fs';

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

  it('has an entry for each status of a refusal', () => {
    const listed = Array.from(page.matchAll(/^\| `([a-z-]+)` /gm), ([, status]) => status);
    expect(listed).toEqual(REQUEST_STATUSES.filter((status) => status !== 'opened'));
  });
});

describe('each finding', () => {
  it.each(Object.entries(FINDINGS))('%s says what is wrong and what to do', (_id, { title, advice }) => {
    expect(title).toMatch(/^[A-Z][^.:]+$/);
    expect(advice).toMatch(/^[a-z].*[^.]$/);
  });
});
