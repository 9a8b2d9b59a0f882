/** `underpass completion`: prints a completion script, made from the definitions of the commands. */
import type { Command } from 'commander';
import { bashCompletion } from '../completion/bash.js';
import { type CommandNode, commandTree } from '../completion/command-tree.js';
import { fishCompletion } from '../completion/fish.js';
import type { Shell } from '../completion/shells.js';
import { zshCompletion } from '../completion/zsh.js';
import { printLine, requireOutput } from '../terminal.js';

const SCRIPTS: Readonly<Record<Shell, (program: CommandNode) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export async function runCompletion(shell: Shell, program: Command): Promise<void> {
  printLine(SCRIPTS[shell](commandTree(program)).trimEnd());
  await requireOutput();
}
