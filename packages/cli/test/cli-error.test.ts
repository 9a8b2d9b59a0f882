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

/** Each is a reason of its own. */
const WORDS = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'it is a directory',
  ENOTDIR: 'not a directory',
  EEXIST: 'already exists',
  ELOOP: 'symbolic links',
  ENOSPC: 'no space left',
  EROFS: 'read-only',
  EMFILE: 'too many files are open',
  ENFILE: 'on this machine',
  EDQUOT: 'quota',
  EFBIG: 'size limit',
  EIO: 'input/output error',
  EPIPE: 'the reader has gone',
  EAGAIN: 'the reader is too slow',
};

describe("the system's reason", () => {
  it.each(FILE_ERRORS)('%s is told in words', (code) => {
    const reason = systemReason(Object.assign(new Error(`${code}: raw text`), { code }));
    expect(reason).toMatch(/^[a-z][a-z,/ -]+$/);
  });

  it.each(Object.entries(WORDS))('for %s speaks of: %s', (code, words) => {
    expect(systemReason(Object.assign(new Error(), { code }))).toContain(words);
  });

  it('is the code if there are no words, and the message if there is no code', () => {
    expect(systemReason(Object.assign(new Error('raw'), { code: 'ESTALE' }))).toBe('ESTALE');
    expect(systemReason(new Error('a line was cut short'))).toBe('a line was cut short');
    expect(systemReason('thrown text')).toBe('thrown text');
  });
});
