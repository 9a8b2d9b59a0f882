import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { sourcesByName } from './scripts/sources.mjs';

/** Tests run against the sources, so that a failing line is a line in `src`. Longer names come first, because an alias
 *  also matches the start of a longer name. */
const alias = Object.fromEntries([...sourcesByName()].sort(([a], [b]) => b.length - a.length));

/** Starting a process and loading modules takes longer than many files of tests, so files share processes, in each of
 *  which one file runs after another. */
const sharesProcesses = { isolate: false, setupFiles: ['scripts/shared-process.mjs'] };

/** Tests of one package that replace modules. A module that is loaded already cannot be replaced, so each of these files
 *  runs in a process of its own. */
const packagesAlone = {
  name: 'packages alone',
  include: readdirSync('packages').flatMap(testsOf).filter(replacesModules),
};

/** The other tests of one package. */
const packages = {
  name: 'packages',
  include: ['packages/*/test/**/*.test.ts'],
  exclude: packagesAlone.include,
  ...sharesProcesses,
};

/** Tests of the whole program run what users run: the bundle, which is made from the sources first. */
const program = {
  name: 'program',
  include: ['test/**/*.test.ts'],
  globalSetup: ['scripts/bundle-for-tests.mjs'],
  ...sharesProcesses,
};

/** The order in which projects start. The tests of the whole program take longest, so short files come last and keep all
 *  cores busy until the end. */
const PROJECTS = [program, packagesAlone, packages];

/** The files that take longest, which start first within their project. */
const LONGEST = [
  'test/interop/wireguard-go.test.ts',
  'test/e2e/enrolment.test.ts',
  'test/e2e/doctor.test.ts',
  'test/e2e/long-transfer.test.ts',
  'test/e2e/workers.test.ts',
  'test/e2e/wrong-inputs.test.ts',
  'test/e2e/ssh.test.ts',
  'test/e2e/wrong-usage.test.ts',
  'test/e2e/join.test.ts',
  'test/e2e/playground.test.ts',
  'test/e2e/hostile-datagrams.test.ts',
  'test/e2e/inspector.test.ts',
  'packages/protocol/test/endpoint/pair.test.ts',
  'packages/protocol/test/transport/blocked-streams.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const project = (file: TestSpecification) => PROJECTS.findIndex(({ name }) => name === file.project.name);
    const place = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
      return index < 0 ? LONGEST.length : index;
    };
    return sorted.sort((a, b) => project(a) - project(b) || place(a) - place(b));
  }
}

export default defineConfig({
  resolve: { alias },
  test: {
    // Ten times what the slowest takes on an idle machine, because a machine may be ten times as busy.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    // Two more than there are cores: at nearly all times one or two of the files wait for another program or a timer.
    maxWorkers: availableParallelism() + 2,
    sequence: { sequencer: LongestFirst },
    projects: PROJECTS.map((test) => ({ extends: true as const, test })),
  },
});

function testsOf(name: string): string[] {
  const folder = `packages/${name}/test`;
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => `${folder}/${file}`);
}

function replacesModules(file: string): boolean {
  return readFileSync(file, 'utf8').includes('vi.mock(');
}
