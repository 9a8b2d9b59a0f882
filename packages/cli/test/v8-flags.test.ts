import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { flagsFor, type Stage } from '../src/v8-flags.js';

const STAGES: readonly Stage[] = ['starting', 'traffic'];
/** Those whose flags are known. */
const VERSIONS = [20, 21, 22, 23, 24, 25, 26];

describe('flags of V8', () => {
  it('exist in this version of Node', () => {
    const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    const major = Number.parseInt(process.versions.node, 10);
    for (const stage of STAGES) {
      for (const flag of flagsFor(stage, major))
        expect(known).toMatch(new RegExp(`^ +--${nameOf(flag)} `, 'm'));
    }
  });

  it.each(VERSIONS)('that a start sets are set back for traffic (Node %i)', (major) => {
    const atStart = flagsFor('starting', major).map(nameOf);
    const later = flagsFor('traffic', major).map(nameOf);
    expect(atStart.length).toBeGreaterThan(1);
    expect(later).toEqual(expect.arrayContaining(atStart));
  });

  it.each([18, 19, 27])('are left alone in a version that nobody has tried (Node %i)', (major) => {
    for (const stage of STAGES) expect(flagsFor(stage, major)).toEqual([]);
  });
});

/** Without the dashes, `no-` and the value. */
function nameOf(flag: string): string {
  return flag.replace(/^--(?:no-)?/, '').replace(/=.*/, '');
}
