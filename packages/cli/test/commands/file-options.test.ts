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

const WANTED: Readonly<Record<string, string>> = {
  '--config': 'a config file',
  '--key': 'a key file',
  '--preshared-key': 'a key file',
  '--key-log': 'a file to append to',
  '--capture': 'a file to write to',
  '--qlog': 'a file to write to',
};

describe('an option that takes the path of a file', () => {
  it.each(fileOptions(buildProgram()))(
    '%s refuses a key in its place, and does not print it',
    (_, option) => {
      const key = encodeKey(randomBytes(32));
      expect(() => option.parseArg?.(key, undefined)).toThrow(
        expect.objectContaining({
          message: `${option.long} expects the path of ${WANTED[option.long ?? '']}, but got what looks like a key`,
        }),
      );
      expect(option.parseArg?.('./relay.toml', undefined)).toBe('./relay.toml');
    },
  );
});
