// The global setup of vitest for the tests of the whole program.

import { bundle } from './bundle.mjs';

export async function setup() {
  await bundle();
}
