import { describe, expect, it } from 'vitest';
import { clientCommand } from '../../src/commands/client-command.js';
import {
  DEFAULT_CONNECT_TIMEOUT_SECONDS,
  MAX_CONNECT_TIMEOUT_SECONDS,
  MAX_KEEPALIVE_SECONDS,
} from '../../src/limits.js';

const optionOf = (name: string) => clientCommand(async () => {}).options.find(({ long }) => long === name);

describe('the help of underpass client', () => {
  it('names the default that the program uses', () => {
    expect(optionOf('--connect-timeout')?.description).toContain(
      `(default: ${DEFAULT_CONNECT_TIMEOUT_SECONDS}, 0: forever)`,
    );
  });
});

describe('an option of underpass client that takes a time', () => {
  it.each([
    ['--connect-timeout', MAX_CONNECT_TIMEOUT_SECONDS, '0 (never)'],
    ['--persistent-keepalive', MAX_KEEPALIVE_SECONDS, '0 (off)'],
  ])('%s has whole seconds up to %i, and says so of any other', (name, maxSeconds, zero) => {
    const read = (text: string): unknown => optionOf(name)?.parseArg?.(text, undefined);
    expect([read('0'), read(`${maxSeconds}`)]).toEqual([0, maxSeconds]);
    for (const text of [`${maxSeconds + 1}`, '1.5', '-1', '']) {
      expect(() => read(text)).toThrow(`Expected whole seconds from ${zero} to ${maxSeconds}`);
    }
  });
});
