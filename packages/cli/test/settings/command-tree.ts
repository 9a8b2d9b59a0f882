/** The options of the command line as the program declares them, for tests that must not miss one. */
import type { Command, Option } from 'commander';
import { buildProgram } from '../../src/commands/every-command.js';

/** Each option of each command, as `client --relay`. */
export function declaredOptions(isAsked: (command: string) => boolean): string[] {
  return leaves(buildProgram()).flatMap(({ name, options }) =>
    isAsked(name) ? options.map(({ long }) => `${name} ${long}`) : [],
  );
}

/** The environment variable that stands for an option, if there is one. */
export function environmentOf(option: string): string | undefined {
  for (const { name, options } of leaves(buildProgram())) {
    const found = options.find(({ long }) => `${name} ${long}` === option);
    if (found !== undefined) return found.envVar;
  }
  throw new Error(`there is no option ${option}`);
}

interface Leaf {
  /** `service install` */
  readonly name: string;
  readonly options: readonly Option[];
}

function leaves(command: Command, above: readonly string[] = []): Leaf[] {
  if (command.commands.length === 0) return [{ name: above.join(' '), options: command.options }];
  return command.commands.flatMap((sub) => leaves(sub, [...above, sub.name()]));
}
