import { defineConfig } from 'vitest/config';
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

export default defineConfig({
  resolve: { alias },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    projects: [packages, program].map((test) => ({ extends: true as const, test })),
  },
});
