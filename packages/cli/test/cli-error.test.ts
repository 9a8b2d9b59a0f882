import { describe, expect, it } from 'vitest';
import { systemReason } from '../src/cli-error.js';

/** What open, write, rename and link report when a file or a file system is at fault (POSIX). */
const FILE_ERRORS = [
  'ENOENT',
  'EACCES',
  'EPERM',
  'EISDIR',
  'ENOTDIR',
  'EEXIST',
  'ELOOP',
  'ENOSPC',
  'EROFS',
  'EDQUOT',
  'EFBIG',
  'EIO',
  'EPIPE',
  'EAGAIN',
];

describe("the system's reason", () => {
  it.each(FILE_ERRORS)('%s is told in words', (code) => {
    const reason = systemReason(Object.assign(new Error(`${code}: raw text`), { code }));
    expect(reason).toMatch(/^[a-z][a-z,/ -]+$/);
  });

  it('is the code if there are no words, and the message if there is no code', () => {
    expect(systemReason(Object.assign(new Error('raw'), { code: 'ESTALE' }))).toBe('ESTALE');
    expect(systemReason(new Error('a line was cut short'))).toBe('a line was cut short');
    expect(systemReason('thrown text')).toBe('thrown text');
  });
});
