import { describe, expect, it } from 'vitest';
import { listenRules } from '../../src/commands/relay-files.js';
import { ExitCode } from '../../src/exit-code.js';

describe('the rules of where a peer may listen', () => {
  it('are none without the option, and all in the order of the command line with it', () => {
    expect(listenRules(undefined, '--listen')).toEqual([]);
    const rules = listenRules(['[::1]:8080', '*:9000-9010'], '--listen');
    expect(rules.map(({ text }) => text)).toEqual(['[::1]:8080', '*:9000-9010']);
  });

  it('are refused with the option and the reason if one of them is none, wherever it stands', () => {
    for (const texts of [['nonsense'], ['localhost:8080', 'nonsense'], ['nonsense', 'localhost:8080']]) {
      expect(() => listenRules(texts, '--allow-listen')).toThrow(
        expect.objectContaining({
          exitCode: ExitCode.usage,
          message: expect.stringMatching(/^--allow-listen: .*nonsense/),
        }),
      );
    }
  });
});
