import { UnderpassError } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { ConfigError, usageError } from '../src/cli-error.js';
import { ExitCode } from '../src/exit-code.js';
import { failureOf } from '../src/failure-lines.js';

describe('a failure', () => {
  it('on the command line has one line and code 2', () => {
    expect(failureOf(usageError('which relay?', 'give --config FILE'), {})).toEqual({
      exitCode: ExitCode.usage,
      lines: ['underpass: which relay?: give --config FILE'],
    });
  });

  it('in a config file has a line for each problem and code 3', () => {
    const error = new ConfigError(['a.toml:1: x', 'a.toml:2: y']);
    expect(failureOf(error, {})).toEqual({ exitCode: 3, lines: ['a.toml:1: x', 'a.toml:2: y'] });
  });

  it('at run time says what happened and what to do, with code 1', () => {
    const error = new UnderpassError('address-in-use', 'UDP port 7 is in use', 'choose another port');
    expect(failureOf(error, {})).toEqual({
      exitCode: 1,
      lines: ['underpass: UDP port 7 is in use: choose another port'],
    });
  });

  it.each([
    ['invalid-option', ExitCode.config],
    ['cannot-bind', ExitCode.failure],
  ] as const)('of the kind %s has the code %i, and no colon where there is no hint', (code, exitCode) => {
    const lines = ['underpass: it does not work'];
    expect(failureOf(new UnderpassError(code, 'it does not work', ''), {})).toEqual({ exitCode, lines });
  });

  it('has no trace if UNDERPASS_DEBUG is empty, or nothing was thrown that has one', () => {
    expect(failureOf(usageError('x'), { UNDERPASS_DEBUG: '' }).lines).toEqual(['underpass: x']);
    expect(failureOf('a text', { UNDERPASS_DEBUG: '1' }).lines).toHaveLength(1);
    const { exitCode, lines } = failureOf(usageError('x'), { UNDERPASS_DEBUG: '1' });
    expect([exitCode, lines[0]]).toEqual([ExitCode.usage, 'underpass: x']);
    expect(lines.length).toBeGreaterThan(2);
  });

  it('that is unexpected is reported as a bug, with code 70 and no stack trace', () => {
    const failure = failureOf(new TypeError('x is not a function'), {});
    expect(failure.exitCode).toBe(70);
    expect(failure.lines).toHaveLength(1);
    expect(failure.lines[0]).toMatch(
      /^underpass: internal error: TypeError: x is not a function \(underpass \d.*report/,
    );
    expect(failureOf('thrown text', {}).lines[0]).toContain('internal error: thrown text');
  });

  it('shows its trace and its causes when UNDERPASS_DEBUG is set', () => {
    const error = new Error('outer', { cause: new Error('inner') });
    const { lines } = failureOf(error, { UNDERPASS_DEBUG: '1' });
    expect(lines.join('\n')).toMatch(/outer[\s\S]*at [\s\S]*caused by:\n[\s\S]*inner/);
  });
});
