import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { replacesModules } from './scripts/replaces-modules.mjs';
import { sourcesByName } from './scripts/sources.mjs';

/** Tests run against the sources, so that a failing line is a line in `src`. Longer names come first, because an alias
 *  also matches the start of a longer name. */
const alias = Object.fromEntries([...sourcesByName()].sort(([a], [b]) => b.length - a.length));

/** Starting a process and loading modules takes longer than many files of tests, so files share processes, in each of
 *  which one file runs after another. */
const sharesProcesses = { isolate: false, setupFiles: ['scripts/shared-process.mjs'] };

/** Tests of one package. */
const packages = { name: 'packages', include: ['packages/*/test/**/*.test.ts'], ...sharesProcesses };

/** Tests of the whole program run what users run: the bundle, which is made from the sources first. */
const program = {
  name: 'program',
  include: ['test/**/*.test.ts'],
  globalSetup: ['scripts/bundle-for-tests.mjs'],
  ...sharesProcesses,
};

/** The order in which projects start. The tests of the whole program take longest, so short files come last and keep all
 *  cores busy until the end. */
const PROJECTS = [program, packages];

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
    // Whatever runs after a file that replaces modules has to load its own again, so these come last.
    const place = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
      if (index >= 0) return index;
      return LONGEST.length + (replacesModules(moduleId) ? 1 : 0);
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
