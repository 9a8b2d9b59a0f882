/** The options of `underpass completion`. Its implementation is loaded only when it runs. */
import { Argument, Command } from 'commander';
import { SHELLS, type Shell } from '../completion/shells.js';

export function completionCommand(): Command {
  return new Command('completion')
    .description('Print a completion script for a shell. Its first lines say where to put it.')
    .addArgument(new Argument(`<${SHELLS.join('|')}>`, 'the shell').choices(SHELLS))
    .addHelpText('after', '\nExample:\n  source <(underpass completion bash)')
    .action(async (shell: Shell, _flags: unknown, command: Command) =>
      (await import('./completion.js')).runCompletion(shell, command.parent ?? command),
    );
}
