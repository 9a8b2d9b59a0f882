/** The completion script for zsh. */
import {
  type ArgumentNode,
  allCommands,
  type CommandNode,
  type Completion,
  type OptionNode,
} from './command-tree.js';

export function zshCompletion(program: CommandNode): string {
  return `#compdef underpass
# Completion of underpass for zsh. To load it in every shell, write it to a directory of $fpath:
#   underpass completion zsh > "\${fpath[1]}/_underpass"

_underpass_relays() {
  local -a names
  names=(\${XDG_CONFIG_HOME:-$HOME/.config}/underpass/relays/*.toml(N:t:r))
  compadd -a names
}

_underpass_peers() {
  local -a names
  names=(\${XDG_CONFIG_HOME:-$HOME/.config}/underpass/relay.d/*(N/:t))
  compadd -a names
}

${allCommands(program).map(commandFunction).join('\n')}
if [[ $funcstack[1] == _underpass ]]; then _underpass "$@"; else compdef _underpass underpass; fi
`;
}

function commandFunction(command: CommandNode): string {
  const specs = [...command.options.map(optionSpec), ...command.arguments.map(argumentSpec)];
  const name = functionName(command.path);
  if (command.commands.length === 0) {
    return `${name}() {\n  _arguments -s ${specs.map((spec) => `\\\n    ${spec}`).join(' ')}\n}\n`;
  }
  const names = command.commands.map((child) => quote(`${child.name}:${child.description}`));
  const branches = command.commands.map((child) => `        ${child.name}) ${functionName(child.path)} ;;`);
  return `${name}() {
  local curcontext="$curcontext" state line
  local -a commands
  commands=(${names.map((text) => `\n    ${text}`).join('')}
  )
  _arguments -C ${[...command.options.map(optionSpec), "'1: :->command'", "'*:: :->rest'"].map((spec) => `\\\n    ${spec}`).join(' ')}
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
${branches.join('\n')}
      esac
      ;;
  esac
}
`;
}

/** An option with a value may be given again, because most of those may. */
function optionSpec({ flags, description, value }: OptionNode): string {
  const after = `[${escaped(description)}]${value === undefined ? '' : `:value:${action(value)}`}`;
  if (flags.length === 1) return quote(`${value === undefined ? '' : '*'}${flags[0]}${after}`);
  const others = value === undefined ? `(${flags.join(' ')})` : '*';
  return `${quote(others)}{${flags.join(',')}}${quote(after)}`;
}

function argumentSpec({ name, isRequired, isRepeated, completes }: ArgumentNode): string {
  const separator = isRequired ? ':' : '::';
  return quote(
    `${isRepeated ? '*' : ''}${isRepeated ? ':' : separator}${escaped(name)}:${action(completes)}`,
  );
}

function action(completion: Completion): string {
  switch (completion.kind) {
    case 'words':
      return `(${completion.words.join(' ')})`;
    case 'files':
      return '_files';
    case 'relays':
      return '_underpass_relays';
    case 'peers':
      return '_underpass_peers';
    case 'nothing':
      return ' ';
  }
}

function functionName(path: string): string {
  return path === '' ? '_underpass' : `_underpass_${path.replaceAll(/[ -]/g, '_')}`;
}

/** In the parts of a specification, brackets and colons have a meaning. */
function escaped(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, '\\$&');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
