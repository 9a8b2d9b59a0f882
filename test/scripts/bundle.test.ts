/** How much a start loads (docs/adr/0011-bundle.md). */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const BUNDLE = new URL('../../packages/cli/bundle/', import.meta.url);
/** Two thirds of this is the argument parser. With ten times as much, a start took a fifth of a second. */
const MAX_START_BYTES = 160 * 1024;

/** What a relay or a client loads until it is ready. */
const MAX_PROGRAM_BYTES = 900 * 1024;

/** The texts of a file and of everything that it imports statically, by name. */
function loadedBy(name: string, found = new Map<string, string>()): Map<string, string> {
  if (found.has(name)) return found;
  const text = readFileSync(new URL(name, BUNDLE), 'utf8');
  found.set(name, text);
  for (const [, next] of text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)) loadedBy(next as string, found);
  return found;
}

/** What a file takes from others with `const { ... } = await import(...)`. */
function takenLate(text: string): { readonly file: string; readonly names: readonly string[] }[] {
  return [...text.matchAll(/\{([^{}]*)\}\s*=\s*await import\("\.\/([^"]+)"\)/g)].map(([, taken, file]) => ({
    file: file as string,
    names: listed(taken as string, /\s*:/),
  }));
}

function exportsOf(file: string): ReadonlySet<string> {
  const text = readFileSync(new URL(file, BUNDLE), 'utf8');
  const names = [...text.matchAll(/\bexport\s*\{([^{}]*)\}/g)].flatMap(([, list]) =>
    listed(list as string, /^.*\bas\s+/),
  );
  return new Set(/\bexport default\b/.test(text) ? [...names, 'default'] : names);
}

/** The names in a list, each without what `other` separates from it. */
function listed(list: string, other: RegExp): string[] {
  return list.split(',').map(
    (item) =>
      item
        .split(other)
        .find((part) => part.trim() !== '')
        ?.trim() ?? '',
  );
}

describe('the bundle', () => {
  it('loads little at the start, and no part of the protocol', () => {
    const texts = [...loadedBy('main.js').values()];
    const bytes = texts.reduce((sum, text) => sum + text.length, 0);
    expect(bytes).toBeLessThan(MAX_START_BYTES);
    for (const text of texts) expect(text).not.toMatch(/"node:dgram"|class Endpoint\b/);
  });

  it('never imports a module of Node statically, which would read all of its exports', () => {
    for (const name of readdirSync(BUNDLE).filter((name) => name.endsWith('.js'))) {
      const text = readFileSync(new URL(name, BUNDLE), 'utf8');
      expect({ name, imports: text.match(/\b(?:import|export)\b[^;"']*?\bfrom ?"node:[^"]*"/g) }).toEqual({
        name,
        imports: null,
      });
    }
  });

  it('takes from a file that it loads late only what that file exports', () => {
    const late = readdirSync(BUNDLE)
      .filter((name) => /\.c?js$/.test(name))
      .flatMap((name) => takenLate(readFileSync(new URL(name, BUNDLE), 'utf8')));
    expect(late.length).toBeGreaterThan(10);
    // A CommonJS package exports nothing but `default`, whatever names it has for Node.
    const missing = late.filter(({ file, names }) => !names.every((name) => exportsOf(file).has(name)));
    expect(missing).toEqual([]);
  });

  it('loads the protocol with the relay', () => {
    const texts = [...loadedBy(commandOf('main.js', 'relay')).values()];
    expect(texts.some((text) => /"node:dgram"/.test(text))).toBe(true);
  });

  it.each(['relay', 'client'])(
    'loads one file for underpass %s, and nothing that its start can do without',
    (command) => {
      const text = readFileSync(new URL(`main-${command}.cjs`, BUNDLE), 'utf8');
      expect(text.length).toBeLessThan(MAX_PROGRAM_BYTES);
      expect(text).toContain('require("node:dgram")');
      expect(text.match(/\brequire\w*\("\.[^"]*"\)/g)).toBeNull();
      // The log of a terminal, metrics, WebAssembly, and modules that only some relays and clients need.
      const needless =
        /"node_modules\/[^"]*\/(?:pino-pretty|prom-client|libsodium)\/|\brequire\w*\("(?:node:)?(?:child_process|fs\/promises|worker_threads)"\)/;
      expect(text.match(needless)).toBeNull();
    },
  );
});

/** The file that an entry loads for a command. */
function commandOf(entry: string, command: string): string {
  const text = readFileSync(new URL(entry, BUNDLE), 'utf8');
  const [, file = ''] = new RegExp(`import\\("\\./(${command}-[A-Z0-9]+\\.js)"\\)`).exec(text) ?? [];
  return file;
}
