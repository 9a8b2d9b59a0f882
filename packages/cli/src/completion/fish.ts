/** The completion script for fish. */
import {
  type ArgumentNode,
  allCommands,
  type CommandNode,
  type Completion,
  type OptionNode,
} from './command-tree.js';

export function fishCompletion(program: CommandNode): string {
  const commands = allCommands(program);
  return `# Completion of underpass for fish. To load it in every shell:
#   underpass completion fish > ~/.config/fish/completions/underpass.fish

function __underpass_directory
    set -q XDG_CONFIG_HOME; and echo $XDG_CONFIG_HOME/underpass; or echo $HOME/.config/underpass
end

function __underpass_relays
    for file in (__underpass_directory)/relays/*.toml
        string replace -r '.*/(.*)\\.toml$' '$1' -- $file
    end
end

function __underpass_peers
    for directory in (__underpass_directory)/relay.d/*/
        string replace -r '.*/([^/]+)/$' '$1' -- $directory
    end
end

# Succeeds if the line so far has the command $argv[1] and $argv[2] arguments after it, or any number without $argv[2].
function __underpass_at
    set -l path ''
    set -l position 0
    set -l is_value 0
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch "$path|$word"
${commands.flatMap(subcommandCases).join('\n')}
            case ${commands.flatMap((command) => command.options.filter(takesValue).flatMap((option) => optionNames(command, option))).join(' ')}
                set is_value 1
            case '*|-*'
            case '*'
                set position (math $position + 1)
        end
    end
    test "$path" = "$argv[1]"; and begin
        not set -q argv[2]; or test $position = $argv[2]
    end
end

complete -c underpass -f
${commands.flatMap((command) => [...command.commands.map((child) => subcommandLine(command, child)), ...command.options.map((option) => optionLine(command, option)), ...command.arguments.flatMap((argument, index) => argumentLine(command, argument, index))]).join('\n')}
`;
}

function subcommandCases({ path, commands }: CommandNode): string[] {
  return commands.map(
    (child) =>
      `            case ${quote(`${path}|${child.name}`)}\n                set path ${quote(child.path)}\n                set position 0`,
  );
}

function subcommandLine(command: CommandNode, child: CommandNode): string {
  return `complete -c underpass -n ${at(command, 0)} -a ${quote(child.name)} -d ${quote(child.description)}`;
}

function optionLine(command: CommandNode, { flags, description, value }: OptionNode): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const after = value === undefined ? '' : ` ${required(value)}`;
  return `complete -c underpass -n ${at(command)} ${names.join(' ')}${after} -d ${quote(description)}`;
}

function argumentLine(
  command: CommandNode,
  { completes, isRepeated }: ArgumentNode,
  index: number,
): string[] {
  if (completes.kind === 'nothing') return [];
  const place = isRepeated ? at(command) : at(command, index);
  return [`complete -c underpass -n ${place} ${completes.kind === 'files' ? '-F' : candidates(completes)}`];
}

/** The value of an option. */
function required(completion: Completion): string {
  if (completion.kind === 'files') return '-r -F';
  return completion.kind === 'nothing' ? '-x' : `-x ${candidates(completion)}`;
}

function candidates(completion: Completion): string {
  return completion.kind === 'words'
    ? `-a ${quote(completion.words.join(' '))}`
    : `-a '(__underpass_${completion.kind})'`;
}

function at(command: CommandNode, position?: number): string {
  const words = [
    '__underpass_at',
    quote(command.path),
    ...(position === undefined ? [] : [String(position)]),
  ];
  return `"${words.join(' ')}"`;
}

function optionNames(command: CommandNode, option: OptionNode): string[] {
  return option.flags.map((flag) => quote(`${command.path}|${flag}`));
}

function takesValue(option: OptionNode): boolean {
  return option.value !== undefined;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
