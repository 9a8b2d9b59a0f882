// The global setup of vitest for the tests of the whole program.

export { bundle as setup } from './bundle.mjs';
