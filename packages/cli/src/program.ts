/** The command line around its commands: the help, and the reaction to usage errors. */
import { Command, CommanderError } from 'commander';
import { ExitCode } from './exit-code.js';
import { failureOf } from './failure-lines.js';
import { helpFormat } from './help-format.js';
import { printErrorLine, requireOutput } from './terminal.js';
import { VERSION } from './version.js';

/** @param argv  the arguments without node and the script
 *  @param commands  all commands, or the one that `argv` starts with
 *  @returns the exit code; errors have been printed */
export async function runProgram(argv: readonly string[], commands: readonly Command[]): Promise<number> {
  try {
    return await parse(argv, commands);
  } catch (error) {
    const failure = failureOf(error);
    for (const line of failure.lines) printErrorLine(line);
    return failure.exitCode;
  }
}

/** @returns the exit code of a command that succeeded, or of commander's own action such as --help */
async function parse(argv: readonly string[], commands: readonly Command[]): Promise<number> {
  try {
    await programOf(commands).parseAsync(argv, { from: 'user' });
    // A command that has an exit code of its own, without an error, has set it.
    return Number(process.exitCode ?? ExitCode.ok);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has already printed its line or the help. A bare `underpass` shows help and is a usage error.
    if (error.exitCode !== 0) return ExitCode.usage;
    await requireOutput();
    return ExitCode.ok;
  }
}

/** The program, without running any command. */
export function programOf(commands: readonly Command[]): Command {
  const program = new Command('underpass')
    .description('A secure tunnel: TCP connections through one encrypted UDP socket.')
    .version(VERSION)
    .helpCommand('help [command]', 'Show the help of a command.')
    .addHelpText(
      'after',
      '\nExample:\n  underpass demo\n\nEvery command has its own --help with an example.',
    );
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands.flatMap((command) => [command, ...command.commands])]) {
    command
      .exitOverride()
      .configureHelp(helpFormat)
      .configureOutput({
        outputError: (text) => printErrorLine(usageLine(text, command)),
        // The help that a usage error prints.
        writeErr: (text) => text.replace(/\n$/, '').split('\n').forEach(printErrorLine),
      });
  }
  return program;
}

/** One line: what is wrong, with commander's suggestion, and where to find help. */
function usageLine(text: string, command: Command): string {
  const what = text
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim()
    .replace(/\.$/, '');
  return `underpass: ${what}: see ${pathOf(command)} --help`;
}

/** `underpass service install` */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
