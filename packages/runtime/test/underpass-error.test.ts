import { describe, expect, it } from 'vitest';
import { bindError, systemCode } from '../src/underpass-error.js';

const failure = (code: string) => Object.assign(new Error(`bind ${code}`), { code });

describe('the explanation of a socket that cannot be bound', () => {
  it.each([
    ['EADDRINUSE', 'address-in-use', 'UDP port 5 is in use by another program', 'stop that program'],
    [
      'EADDRNOTAVAIL',
      'address-not-available',
      'UDP port 5: this machine does not have that address',
      'leave it out',
    ],
    ['EACCES', 'permission-denied', 'UDP port 5: the system does not permit this program', 'a higher port'],
    ['EPERM', 'permission-denied', 'UDP port 5: the system does not permit this program', 'a higher port'],
    ['EMFILE', 'cannot-bind', 'UDP port 5 cannot be opened: too many files are open', 'ulimit -n'],
    ['ENFILE', 'cannot-bind', 'UDP port 5 cannot be opened: too many files are open', 'ulimit -n'],
    ['EINVAL', 'cannot-bind', 'UDP port 5 cannot be opened (EINVAL)', 'check the address and port'],
  ])('%s', (system, code, message, hint) => {
    const cause = failure(system);
    const error = bindError('UDP port 5', cause);
    expect(error).toMatchObject({ name: 'UnderpassError', code, cause });
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });
});

it('the name of an error is that of the system, or else its message', () => {
  expect(systemCode(failure('EPERM'))).toBe('EPERM');
  expect(systemCode(new Error('what happened'))).toBe('what happened');
  expect(systemCode(Object.assign(new Error('what happened'), { code: 7 }))).toBe('what happened');
  expect(systemCode('text')).toBe('text');
});
