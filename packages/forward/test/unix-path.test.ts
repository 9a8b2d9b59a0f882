import { expect, it } from 'vitest';
import { MAX_UNIX_PATH_BYTES, unixPathProblem } from '../src/unix-path.js';

it('the path of a unix socket is limited in bytes, not in characters (spec forwarding 3.7)', () => {
  const letters = (MAX_UNIX_PATH_BYTES - 1) / 2;
  expect(unixPathProblem(`/${'ä'.repeat(letters)}`)).toBeUndefined();
  expect(unixPathProblem(`/${'ä'.repeat(letters)}x`)).toContain('is longer than 107 bytes');
});

it.each([
  ['/', 'has an empty, . or .. part'],
  ['/run/', 'has an empty, . or .. part'],
  ['/run//a', 'has an empty, . or .. part'],
  ['/run/./a', 'has an empty, . or .. part'],
  ['/run/../a', 'has an empty, . or .. part'],
  ['/..', 'has an empty, . or .. part'],
  ['', 'is not an absolute path'],
  ['run/a', 'is not an absolute path'],
  ['\0abstract', 'is not an absolute path'],
  ['/run/\n', 'contains control characters'],
  ['/run/\ufffd', 'contains control characters'],
  ['/run/\ud800', 'contains control characters'],
])('the path %j of a unix socket %s', (path, problem) => {
  expect(unixPathProblem(path)).toContain(problem);
});

it.each(['/a', '/run/.a', '/run/a..', '/run/...', '/run/a b', '/run/ä'])(
  'the path %j of a unix socket is in full',
  (path) => {
    expect(unixPathProblem(path)).toBeUndefined();
  },
);
