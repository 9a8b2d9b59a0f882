/** The completion script for bash, 3.2 or newer. */
import { allCommands, type CommandNode, type Completion, type OptionNode } from './command-tree.js';

/** The script splits the line into words itself. Bash's own words end at `:` and `=`, which occur in options' values. */
export function bashCompletion(program: CommandNode): string {
  const commands = allCommands(program);
  return `# Completion of underpass for bash. To load it in every shell:
#   underpass completion bash > ~/.local/share/bash-completion/completions/underpass

_underpass_names() {
  local name
  for name in "$@"; do
    [[ -e $name ]] || continue
    name=\${name%/} name=\${name##*/}
    printf '%s\\n' "\${name%.toml}"
  done
}

_underpass_reply() {
  local IFS=$'\\n' directory="\${XDG_CONFIG_HOME:-$HOME/.config}/underpass"
  case $1 in
    words) COMPREPLY=($(compgen -W "\${2// /$'\\n'}" -- "$3")) ;;
    relays) COMPREPLY=($(compgen -W "$(_underpass_names "$directory"/relays/*.toml)" -- "$3")) ;;
    peers) COMPREPLY=($(compgen -W "$(_underpass_names "$directory"/relay.d/*/)" -- "$3")) ;;
    files) compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "$3")) ;;
  esac
}

_underpass() {
  COMPREPLY=()
  local line=\${COMP_LINE:0:COMP_POINT} word path='' option='' position=0 i
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local last=$((\${#words[@]} - 1))
  local current=\${words[last]}

  for ((i = 1; i < last; i++)); do
    word=\${words[i]}
    if [[ -n $option ]]; then option=''; continue; fi
    case "$path|$word" in
${commands.flatMap(subcommandCases).join('\n')}
${caseOf(
  commands.flatMap((command) =>
    command.options.filter(takesValue).flatMap((option) => optionNames(command, option)),
  ),
  'option=$word',
)}
      *'|-'*) ;;
      *) position=$((position + 1)) ;;
    esac
  done

  if [[ $current == --*=* ]]; then option=\${current%%=*} current=\${current#*=}; fi
  if [[ -n $option ]]; then
    case "$path|$option" in
${commands.flatMap(valueCases).join('\n')}
    esac
    return
  fi
  if [[ $current == -* ]]; then
    case $path in
${commands.map((command) => `      ${quote(command.path)}) _underpass_reply words ${quote(flagsOf(command))} "$current" ;;`).join('\n')}
    esac
    return
  fi
  case "$path|$position" in
${commands.flatMap(argumentCases).join('\n')}
  esac
}

complete -F _underpass underpass
`;
}

function subcommandCases({ path, commands }: CommandNode): string[] {
  return commands.map(
    (child) => `      ${quote(`${path}|${child.name}`)}) path=${quote(child.path)} position=0 ;;`,
  );
}

function valueCases(command: CommandNode): string[] {
  return command.options.flatMap((option) =>
    option.value === undefined || option.value.kind === 'nothing'
      ? []
      : [caseOf(optionNames(command, option), reply(option.value))],
  );
}

/** The subcommands are proposed in the place of the first argument. A repeated argument stays in the last place. */
function argumentCases(command: CommandNode): string[] {
  const { path, commands, arguments: places } = command;
  const cases = places.flatMap(({ completes, isRepeated }, index) =>
    completes.kind === 'nothing'
      ? []
      : [caseOf([isRepeated ? `${quote(`${path}|`)}*` : quote(`${path}|${index}`)], reply(completes))],
  );
  if (commands.length === 0) return cases;
  return [
    caseOf([quote(`${path}|0`)], reply({ kind: 'words', words: commands.map(({ name }) => name) })),
    ...cases,
  ];
}

function reply(completion: Completion): string {
  const words = completion.kind === 'words' ? completion.words.join(' ') : '';
  return `_underpass_reply ${completion.kind} ${quote(words)} "$current"`;
}

function caseOf(patterns: readonly string[], action: string): string {
  return `      ${patterns.join(' | ')}) ${action} ;;`;
}

function optionNames(command: CommandNode, option: OptionNode): string[] {
  return option.flags.map((flag) => quote(`${command.path}|${flag}`));
}

function takesValue(option: OptionNode): boolean {
  return option.value !== undefined;
}

function flagsOf(command: CommandNode): string {
  return command.options.flatMap(({ flags }) => flags).join(' ');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
