import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { transformWithEsbuild } from 'vite';
import { describe, expect, it } from 'vitest';

/** Garbage that an ordinary program keeps: it is in the old generation, and nothing is allocated any more. */
const PROGRAM = `
  let garbage = Array.from({ length: 10_000 }, (_, i) => ({ i }));
  const watched = new WeakRef(garbage);
  setTimeout(() => {
    garbage = undefined;
    collectGarbageOfStart(RUNTIME);
    setTimeout(() => console.log(JSON.stringify({
      isCollected: watched.deref() === undefined,
      isExposed: typeof globalThis.gc === 'function' || runInNewContext('typeof gc') === 'function',
    })));
  });`;

const major = Number.parseInt(process.versions.node, 10);

describe('the collection after a start', () => {
  it.each([[], ['--jitless'], ['--no-opt']])(
    'collects, and leaves the collector hidden (%s)',
    async (...options) => {
      expect(await run(options)).toEqual({ isCollected: major >= 22, isExposed: false });
    },
  );

  it('does nothing in a version of Node that nobody has tried', async () => {
    expect(await run([], '{ major: 27, compilers: [] }')).toEqual({ isCollected: false, isExposed: false });
  });

  it('works in a process that was started with a visible collector', async () => {
    expect(await run(['--expose-gc'])).toMatchObject({ isCollected: major >= 22 });
  });
});

/** @param runtime  an expression */
async function run(options: readonly string[], runtime = 'undefined'): Promise<unknown> {
  const flags = `data:text/javascript;base64,${Buffer.from(await source('v8-flags.ts')).toString('base64')}`;
  const code = (await source('collect-garbage.ts')).replace('./v8-flags.js', flags);
  const program = code + PROGRAM.replace('RUNTIME', runtime);
  const output = execFileSync(process.execPath, [...options, '--input-type=module', '--eval', program], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(output);
}

async function source(name: string): Promise<string> {
  const file = fileURLToPath(new URL(`../src/${name}`, import.meta.url));
  return (await transformWithEsbuild(readFileSync(file, 'utf8'), file)).code;
}
