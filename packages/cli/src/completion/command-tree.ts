/** The command line as plain data, for the completion scripts and the manual pages. It is read from commander's
 *  definitions, so that neither can fall behind them. */
import type { EventEmitter } from 'node:events';
import type { Argument, Command, Option } from 'commander';

export interface CommandNode {
  /** `service install`; empty for the program itself. */
  readonly path: string;
  /** Its last word, `install`. */
  readonly name: string;
  readonly description: string;
  readonly arguments: readonly ArgumentNode[];
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
  /** What its help shows at the end: examples. */
  readonly afterHelp: string;
}

export interface ArgumentNode {
  readonly name: string;
  readonly description: string;
  readonly isRequired: boolean;
  readonly isRepeated: boolean;
  readonly completes: Completion;
}

export interface OptionNode {
  /** As the help shows it: `-L, --local-forward <[bind:]port:host:hostport>`. */
  readonly text: string;
  /** `-L` and `--local-forward`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined for an option without a value. */
  readonly value: Completion | undefined;
  /** The variable that sets it too. */
  readonly environment: string | undefined;
}

/** What a shell may propose for a word. `relays` are the saved relays of this user, `peers` those of its relay. */
export type Completion =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'files' }
  | { readonly kind: 'relays' }
  | { readonly kind: 'peers' }
  | { readonly kind: 'nothing' };

/** Arguments that name something, as `COMMAND ARGUMENT`. */
const NAMES: Readonly<Record<string, 'relays' | 'peers'>> = {
  'client relay': 'relays',
  'doctor name': 'relays',
  'status name': 'relays',
  'service install name': 'relays',
  'service uninstall name': 'relays',
  'allow name': 'peers',
  'revoke name': 'peers',
};

export function commandTree(program: Command): CommandNode {
  const root = nodeOf(program, '');
  const names = root.commands.map(({ name }) => name);
  return { ...root, commands: root.commands.map((command) => withCommandNames(command, names)) };
}

/** The command and everything below it. */
export function allCommands(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(allCommands)];
}

function nodeOf(command: Command, path: string): CommandNode {
  const help = command.createHelp();
  const commands = help
    .visibleCommands(command)
    .filter((child) => path === '' || child.name() !== 'help')
    .map((child) => nodeOf(child, path === '' ? child.name() : `${path} ${child.name()}`));
  return {
    path,
    name: command.name(),
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => argumentNode(argument, path)),
    options: help.visibleOptions(command).map(optionNode),
    commands,
    afterHelp: afterHelpOf(command),
  };
}

/** Commander's own `help` takes the name of a command. */
function withCommandNames(command: CommandNode, list: readonly string[]): CommandNode {
  if (command.path !== 'help') return command;
  const completes = words(list.filter((name) => name !== 'help'));
  return { ...command, arguments: command.arguments.map((argument) => ({ ...argument, completes })) };
}

function argumentNode(argument: Argument, path: string): ArgumentNode {
  return {
    name: argument.name(),
    description: argument.description,
    isRequired: argument.required,
    isRepeated: argument.variadic,
    completes: completionOf(argument, path),
  };
}

function completionOf(argument: Argument, path: string): Completion {
  const name = argument.name();
  const kind = NAMES[`${path} ${name}`];
  if (kind !== undefined) return { kind };
  if (name.includes('|')) return words(name.split('|'));
  return name === 'file' ? { kind: 'files' } : { kind: 'nothing' };
}

function optionNode(option: Option): OptionNode {
  const flags = [option.short, option.long].filter((flag) => flag !== undefined);
  const isFlag = !option.required && !option.optional;
  return {
    text: option.flags,
    flags,
    description: option.description,
    value: isFlag ? undefined : completionOfValue(option),
    environment: option.envVar,
  };
}

function completionOfValue({ argChoices, flags }: Option): Completion {
  if (argChoices !== undefined) return words(argChoices);
  return /[<[]file[\]>]/.test(flags) ? { kind: 'files' } : { kind: 'nothing' };
}

function words(list: readonly string[]): Completion {
  return { kind: 'words', words: list };
}

/** Commander keeps such texts only as listeners of an event. */
function afterHelpOf(command: Command): string {
  let text = '';
  const write = (part: string): void => {
    text += part;
  };
  const events = command as unknown as EventEmitter; // it is one, which its types leave out
  events.emit('afterHelp', { error: false, command, write });
  return text.trim();
}
