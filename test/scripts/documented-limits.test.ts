/** The table of limits in the threat model agrees with the code. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const PAGE = new URL('../../docs/threat-model.md', import.meta.url);
const ROW = /^\| ([^|]+?) +\| ([\d.]+) ?(\w*) +\| `(\w+)` +\| \[[^\]]+\]\(([^)]+)\)/gm;
const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, s: 1000 };

const rows = Array.from(readFileSync(PAGE, 'utf8').matchAll(ROW), ([, what, amount, unit, name, file]) => ({
  what,
  value: Number(amount) * (UNITS[unit as string] as number),
  name: name as string,
  file: new URL(file as string, PAGE).href,
}));

describe('the documented limit', () => {
  it('is listed', () => expect(rows.length).toBeGreaterThan(20));

  it.each(rows)('for $what is $value, like $name in the code', async ({ value, name, file }) => {
    const constants = (await import(file)) as Readonly<Record<string, unknown>>;
    expect(constants[name]).toBe(value);
  });
});
