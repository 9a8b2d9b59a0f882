// What vitest runs once before the tests of the whole program.

export { bundle as setup } from './bundle.mjs';
