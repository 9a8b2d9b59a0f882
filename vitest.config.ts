import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { sourcesByName } from './scripts/sources.mjs';

/** Tests run against the sources, so that a failing line is a line in `src`. Longer names come first, because an alias
 *  also matches the start of a longer name. */
const alias = Object.fromEntries([...sourcesByName()].sort(([a], [b]) => b.length - a.length));

/** Tests of one package. */
const packages = { name: 'packages', include: ['packages/*/test/**/*.test.ts'] };

/** Tests of the whole program run what users run: the bundle, which is made from the sources first. */
const program = {
  name: 'program',
  include: ['test/**/*.test.ts'],
  globalSetup: ['scripts/bundle-for-tests.mjs'],
};

/** Tests that talk to other programs wait for minutes of real time and need little CPU. They start first, so that the rest of
 *  the tests run while they wait. */
class LongWaitsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const waits = ({ moduleId }: TestSpecification) => moduleId.includes('/test/interop/');
    return [...sorted.filter(waits), ...sorted.filter((file) => !waits(file))];
  }
}

export default defineConfig({
  resolve: { alias },
  test: {
    // Ten times what the slowest takes on an idle machine, because a machine may be ten times as busy.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    // One more than there are cores: at nearly all times one of the files waits for another program or a timer.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongWaitsFirst },
    projects: [packages, program].map((test) => ({ extends: true as const, test })),
  },
});
