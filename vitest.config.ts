import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests run against the sources, so that a failing line is the line in `src`. */
const packages = readdirSync(new URL('./packages/', import.meta.url));
const alias = Object.fromEntries(
  packages
    .filter((name) => name !== 'cli')
    .map((name) => [
      `@underpass/${name}`,
      fileURLToPath(new URL(`./packages/${name}/src/index.ts`, import.meta.url)),
    ]),
);

/** Tests shared by packages: no part of what testkit builds. */
const testkitCrypto = fileURLToPath(new URL('./packages/testkit/crypto/index.ts', import.meta.url));

export default defineConfig({
  // The longer name first: an alias also stands for the beginning of a name.
  resolve: { alias: { '@underpass/testkit/crypto': testkitCrypto, ...alias } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
  },
});
