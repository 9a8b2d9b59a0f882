/** The list of planted bugs matches the code, and each rule of the simulator finds one. To run all of them:
 *  `node scripts/mutate.mjs test/mutants/rules.json`. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { RULES } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = 'test/mutants';
const LISTS = readdirSync(new URL('../mutants/', import.meta.url))
  .filter((name) => name.endsWith('.json'))
  .map((name) => `${FOLDER}/${name}`);

interface PlantedBug {
  readonly name: string;
  readonly found?: string;
}

function mutate(...parameters: readonly string[]) {
  const { status, stdout } = spawnSync(process.execPath, ['scripts/mutate.mjs', ...parameters], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, stdout };
}

describe('the planted bugs', () => {
  it('can still be planted, because the text of each occurs once in its file', () => {
    expect(mutate('--check', ...LISTS)).toMatchObject({
      status: 0,
      stdout: expect.not.stringContaining('CANNOT'),
    });
  });

  it('include one for each rule of the simulator', () => {
    const bugs: readonly PlantedBug[] = JSON.parse(readFileSync(`${ROOT}/${FOLDER}/rules.json`, 'utf8'));
    const found = bugs.map((bug) => bug.found);
    for (const { name } of RULES) expect(found).toContain(name);
  });

  it('are found by the rule that the list names', { timeout: 240_000 }, () => {
    const only = ['--only', 'a keypair keeps its receiving key', '--seeds', '40'];
    expect(mutate(`${FOLDER}/rules.json`, ...only)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('simulator (keypairs'),
    });
  });

  it('are neither found nor missed when the time is too short', () => {
    const only = ['--only', 'a keypair keeps its receiving key', '--limit', '0.001'];
    expect(mutate(`${FOLDER}/rules.json`, ...only)).toEqual({
      status: 1,
      stdout: expect.stringMatching(/^\? {5}not decided .*\n.* 0 differ from the list, 1 were not decided/),
    });
  });
});
