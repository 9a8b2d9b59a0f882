import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/commands/every-command.js';
import { allCommands, commandTree } from '../../src/completion/command-tree.js';

const tree = commandTree(buildProgram());
const byPath = new Map(allCommands(tree).map((command) => [command.path, command]));

describe('what a shell can complete', () => {
  it('includes every command of the program and its help, which takes the name of any other', () => {
    const names = tree.commands.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['client', 'relay', 'service', 'help']));
    const others = names.filter((name) => name !== 'help');
    expect(byPath.get('help')?.arguments[0]?.completes).toEqual({ kind: 'words', words: others });
  });

  it('includes the commands of a command, without the help that repeats --help', () => {
    expect(byPath.get('service')?.commands.map(({ path }) => path)).toEqual([
      'service install',
      'service uninstall',
    ]);
  });
});
