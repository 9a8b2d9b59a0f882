import { expect, it } from 'vitest';
import { MAX_UNIX_PATH_BYTES, unixPathProblem } from '../src/unix-path.js';

it('the path of a unix socket is limited in bytes, not in characters (spec forwarding 3.7)', () => {
  const letters = (MAX_UNIX_PATH_BYTES - 1) / 2;
  expect(unixPathProblem(`/${'ä'.repeat(letters)}`)).toBeUndefined();
  expect(unixPathProblem(`/${'ä'.repeat(letters)}x`)).toContain('is longer than 107 bytes');
});
