import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { transformWithEsbuild } from 'vite';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { flagsFor, type Stage, thisRuntime } from '../src/v8-flags.js';

const SOURCE = fileURLToPath(new URL('../src/v8-flags.ts', import.meta.url));
const STAGES: readonly Stage[] = ['starting', 'traffic'];
const LATER_DEFAULTS = {
  'invocation-count-for-maglev': 400,
  'minimum-invocations-after-ic-update': 500,
  'invocation-count-for-turbofan': 3000,
};
const COMPILERS = ['turbofan', 'maglev'];

describe('flags of V8', () => {
  it('exist in this version of Node', () => {
    const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    for (const stage of STAGES) {
      for (const flag of flagsFor(stage, thisRuntime([]))) {
        const name = flag.replace(/^--(?:no-)?/, '').replace(/=.*/, '');
        expect(known).toMatch(new RegExp(`^ +--${name} `, 'm'));
      }
    }
  });

  it.each([20, 21, 22, 23, 24, 25, 26])('that a start sets are undone for traffic (Node %i)', (major) => {
    const runtime = { major, compilers: COMPILERS };
    expect(flagsFor('starting', runtime)).toEqual([
      '--semi-space-growth-factor=1',
      '--no-turbofan',
      '--no-maglev',
    ]);
    const later = flagsFor('traffic', runtime);
    expect(later).toEqual(expect.arrayContaining(['--semi-space-growth-factor=2', '--turbofan', '--maglev']));
    expect(later.join(' ')).not.toContain('--no-');
  });

  it.each([18, 19, 27])('are left alone in a version that nobody has tried (Node %i)', (major) => {
    for (const stage of STAGES) expect(flagsFor(stage, { major, compilers: COMPILERS })).toEqual([]);
  });

  it.each([
    ['--jitless', []],
    ['--no-opt', []],
    ['--no_turbofan', []],
    ['--no-maglev', []],
    ['--lite-mode', []],
    ['--max-old-space-size=64 --jitless', []],
    ['--import=./optional.js', expect.arrayContaining(['turbofan'])],
    ['--max-old-space-size=64', expect.arrayContaining(['turbofan'])],
  ])('leave the compilers to somebody who has started Node with %s', (option, compilers) => {
    expect(thisRuntime([option]).compilers).toEqual(compilers);
  });

  it('are decided by how this process was started', () => {
    const [execArgv, major] = [process.execArgv, Number(process.versions.node.split('.')[0])];
    onTestFinished(() => {
      process.execArgv = execArgv;
      vi.unstubAllEnvs();
    });
    vi.stubEnv('NODE_OPTIONS', undefined);
    process.execArgv = [];
    expect(thisRuntime()).toEqual({ major, compilers: expect.arrayContaining(['turbofan']) });
    process.execArgv = ['--no-opt'];
    expect(thisRuntime()).toEqual({ major, compilers: [] });
    process.execArgv = [];
    vi.stubEnv('NODE_OPTIONS', '--enable-source-maps --jitless');
    expect(thisRuntime()).toEqual({ major, compilers: [] });
  });

  // With the defaults of V8 (docs/adr/0008-compile-sooner.md).
  it.each<[number, Readonly<Record<string, number>>]>([
    [20, { 'interrupt-budget': 67_584 }],
    [21, {}],
    [22, LATER_DEFAULTS],
    [26, LATER_DEFAULTS],
  ])('have code compiled sooner than by default, and let a small heap grow (Node %i)', (major, defaults) => {
    const values = flagsFor('traffic', { major, compilers: [] })
      .slice(1)
      .map((flag) => flag.slice(2).split('='));
    expect(values[0]).toEqual(['heap-growing-percent', '300']); // docs/adr/0035-heap-growth.md
    const sooner = values.slice(1);
    expect(sooner.map(([name]) => name)).toEqual(Object.keys(defaults));
    for (const [name = '', value] of sooner) expect(Number(value)).toBeLessThan(defaults[name] ?? 0);
  });

  it.each(['--jitless', '--no-opt', '--expose-gc'])(
    'do not crash a busy process that was started with %s',
    async (option) => {
      const { code } = await transformWithEsbuild(readFileSync(SOURCE, 'utf8'), SOURCE);
      const busy = `
        function hot(n) { let sum = 0; for (let i = 0; i < 500; i++) sum += n ^ i; return sum; }
        const work = () => { for (let i = 0; i < 2_000; i++) hot(i); };
        for (let round = 0; round < 3; round++) { prepareToStart(); work(); prepareForTraffic(); work(); }
        console.log('done');`;
      const output = execFileSync(process.execPath, [option, '--input-type=module', '--eval', code + busy], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      expect(output).toBe('done\n');
    },
  );
});
