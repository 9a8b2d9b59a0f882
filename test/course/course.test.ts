/** The programs of the course pass their own checks, and wrong versions of them get a message that helps (docs/course). */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../e2e/temporary-directory.js';
import planted from './planted.json' with { type: 'json' };

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COURSE = path.join(ROOT, 'docs/course');
const MAX_LINES = 150;

interface Step {
  readonly folder: string;
  readonly file: string;
  readonly exports: readonly string[];
}
interface Planted {
  readonly step: string;
  readonly bug: string;
  readonly find: string;
  readonly replace: string;
  /** Part of the message that the reader gets. */
  readonly says: string;
  /** A second replacement, without which the bug would not compile into what it says. */
  readonly also?: readonly string[];
}

const { STEPS } = (await import(new URL('../../scripts/course/steps.mjs', import.meta.url).href)) as {
  STEPS: readonly Step[];
};

interface Outcome {
  readonly code: number;
  readonly output: string;
}

function check(...words: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['scripts/course.mjs', 'check', ...words],
      { cwd: ROOT },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
      },
    );
  });
}

describe('the course', () => {
  it.concurrent.for(STEPS)('step $folder passes its own checks', async ({ folder }) => {
    const { code, output } = await check(folder);
    expect(output).not.toContain('✗');
    expect(output).toContain(`step ${folder}: done`);
    expect(code).toBe(0);
  });

  it.concurrent.for(planted as readonly Planted[])(
    'step $step helps a reader whose program $bug',
    async ({ step, find, replace, says, also = [] }) => {
      const { file } = STEPS.find(({ folder }) => folder === step) as Step;
      const original = readFileSync(path.join(COURSE, step, file), 'utf8');
      expect(original).toContain(find);
      const [alsoFind = '', alsoReplace = ''] = also;
      // A reader's file lies elsewhere, and imports the rest of the step from where it is.
      const wrong = original
        .replace(find, () => replace)
        .replace(alsoFind, () => alsoReplace)
        .replaceAll(/from '(\.\.?\/[^']+)'/g, (_, name: string) => `from '${path.join(COURSE, step, name)}'`);
      const own = path.join(temporaryDirectory(), file);
      writeFileSync(own, wrong);
      const { code, output } = await check(step, own);
      expect(output).toContain(says);
      expect(code).toBe(1);
    },
  );

  it.each(STEPS)('step $folder has three planted bugs, and files that fit on a page', ({ folder, file }) => {
    expect(planted.filter(({ step }) => step === folder)).toHaveLength(3);
    const text = readFileSync(path.join(COURSE, folder, file), 'utf8');
    expect(text.split('\n').length - 1).toBeLessThanOrEqual(MAX_LINES);
  });

  it('says what is wrong with a command', async () => {
    expect(await check('12')).toEqual({
      code: 2,
      output: "course: there is no step '12': give a number from 1 to 9\n",
    });
    const missing = await check('1', '/nonexistent/proxy.ts');
    expect(missing).toEqual({ code: 2, output: 'course: there is no file /nonexistent/proxy.ts\n' });
    const directory = temporaryDirectory();
    writeFileSync(path.join(directory, 'empty.ts'), 'export const x = 1;\n');
    const empty = await check('4', path.join(directory, 'empty.ts'));
    expect(empty.output).toContain('must export SealedChannel');
    writeFileSync(path.join(directory, 'broken.ts'), 'export const x = ;\n');
    const broken = await check('4', path.join(directory, 'broken.ts'));
    expect(broken).toMatchObject({ code: 2 });
    expect(broken.output).toContain("can't be loaded");
  });
});
