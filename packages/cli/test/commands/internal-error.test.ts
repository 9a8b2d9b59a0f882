import { afterEach, describe, expect, it, vi } from 'vitest';
import { endWithInternalError } from '../../src/commands/internal-error.js';
import { ExitCode } from '../../src/exit-code.js';

const printed = vi.hoisted((): string[] => []);
vi.mock('../../src/terminal.js', () => ({ printErrorLine: (line: string) => printed.push(line) }));

describe('a bug after which the program cannot continue', () => {
  afterEach(() => {
    printed.length = 0;
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  it.each([
    ['one line', '', 1],
    ['its trace if the user asked for it', '1', 3],
  ])('prints %s, and ends with the code for bugs', (_what, wanted, atLeastLines) => {
    vi.stubEnv('UNDERPASS_DEBUG', wanted);
    const exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never);
    endWithInternalError(new TypeError('x is not a function'));
    expect(exit).toHaveBeenCalledExactlyOnceWith(ExitCode.internal);
    expect(printed[0]).toMatch(
      /^underpass: internal error: TypeError: x is not a function .*report the output$/,
    );
    if (wanted === '') expect(printed).toHaveLength(1);
    else expect(printed.length).toBeGreaterThanOrEqual(atLeastLines);
  });
});
