import type { LinkProblem } from '@underpass/forward';
import { expect, it } from 'vitest';
import { linkFailure } from '../../src/commands/enrol-text.js';

it.each<[LinkProblem, string, string]>([
  [
    'not-a-link',
    'this is not the link of an invite',
    'expected underpass://HOST:PORT/ and 92 more characters, as underpass invite prints it',
  ],
  [
    'truncated',
    'the end of the link is missing',
    'copy it whole: 92 letters, digits, dashes and underscores follow the last slash',
  ],
  ['altered', 'the link was altered: a character is wrong, missing or extra', 'copy it again'],
  ['version', 'this link is for a newer version of underpass', 'update the program on this machine'],
])('a link that is %s is explained, with what to do about it', (problem, message, hint) => {
  expect(linkFailure(problem)).toEqual({ code: 'invalid-option', message, hint });
});
