import { randomBytes } from 'node:crypto';
import type { Command, Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/commands/every-command.js';
import { encodeKey } from '../../src/key-text.js';

/** Every option of the program that takes the path of a file, with its command. */
function fileOptions(command: Command, path = ''): (readonly [string, Option])[] {
  const own = command.options.filter(({ flags }) => /[<[]file[\]>]/.test(flags));
  return [
    ...own.map((option) => [`${path}${option.long}`, option] as const),
    ...command.commands.flatMap((child) => fileOptions(child, `${path}${child.name()} `)),
  ];
}

describe('an option that takes the path of a file', () => {
  it.each(fileOptions(buildProgram()))(
    '%s refuses a key in its place, and does not print it',
    (_, option) => {
      const key = encodeKey(randomBytes(32));
      expect(() => option.parseArg?.(key, undefined)).toThrow(
        expect.objectContaining({
          message: expect.stringMatching(/^--[a-z-]+ expects the path of .*, but got what looks like a key$/),
        }),
      );
      expect(option.parseArg?.('./relay.toml', undefined)).toBe('./relay.toml');
    },
  );
});
