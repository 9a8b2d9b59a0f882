/** The crypto suites, as `--suite` and `underpass status` call them. The best on most machines is first. */
export const SUITE_NAMES = ['openssl', 'sodium', 'wasm', 'node', 'portable'] as const;
export type SuiteName = (typeof SUITE_NAMES)[number];
