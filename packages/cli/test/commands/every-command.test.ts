/** Rules that every command and every option keeps. */
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { everyCommand } from '../../src/commands/every-command.js';

function withThoseBelow(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withThoseBelow)];
}

describe('the help', () => {
  it('describes every command and every option in words of its own', () => {
    const described = everyCommand()
      .flatMap(withThoseBelow)
      .flatMap((command) => [
        { of: command.name(), text: command.summary() || command.description() },
        ...command.options.map(({ flags, description }) => ({ of: flags, text: description })),
      ]);
    const missing = described.filter(({ text }) => !/^[a-z].* /i.test(text));
    expect(missing).toEqual([]);
  });
});
