/** Manual pages in the format of man(7), made from the definitions of the commands. */
import type { ArgumentNode, CommandNode, OptionNode } from '../completion/command-tree.js';
import { allCommands } from '../completion/command-tree.js';

export interface ManPage {
  /** `underpass-relay.1` */
  readonly file: string;
  readonly text: string;
}

/** Texts that belong to the program as a whole: a term and what it means. */
export interface Sections {
  readonly exitStatus: readonly Term[];
  readonly environment: readonly Term[];
  readonly files: readonly Term[];
}

export type Term = readonly [term: string, meaning: string];

/** One page for the program, and one for each of its commands. */
export function manPages(program: CommandNode, version: string, sections: Sections): ManPage[] {
  const commands = program.commands.filter(({ name }) => name !== 'help');
  return [
    programPage(program, commands, version, sections),
    ...commands.map((command) => commandPage(command, version)),
  ];
}

function programPage(
  program: CommandNode,
  commands: readonly CommandNode[],
  version: string,
  { exitStatus, environment, files }: Sections,
): ManPage {
  return {
    file: 'underpass.1',
    text: lines(
      title('underpass', version),
      section('NAME', [`underpass \\- ${inName(program.description)}`]),
      section('SYNOPSIS', [`\\fBunderpass\\fR \\fIcommand\\fR [\\fIoptions\\fR]`]),
      section('DESCRIPTION', [
        paragraph(
          'A relay runs on a server, and a client on your machine. The client forwards ports of your machine, through one encrypted UDP socket, to whatever the relay allows it to reach. Each command has a page of its own.',
        ),
      ]),
      section(
        'COMMANDS',
        commands.map((command) =>
          term(`\\fBunderpass\\-${escaped(command.name)}\\fR(1)`, command.description),
        ),
      ),
      section('OPTIONS', program.options.map(optionText)),
      section(
        'EXIT STATUS',
        exitStatus.map(([code, meaning]) => term(bold(code), meaning)),
      ),
      section(
        'ENVIRONMENT',
        environment.map(([name, meaning]) => term(bold(name), meaning)),
      ),
      section(
        'FILES',
        files.map(([file, meaning]) => term(italic(file), meaning)),
      ),
      seeAlso(commands.map(({ name }) => name)),
    ),
  };
}

/** The commands below a command, such as `service install`, are on its page. */
function commandPage(command: CommandNode, version: string): ManPage {
  const parts = allCommands(command).filter((part) => part.commands.length === 0);
  const isSingle = parts.length === 1;
  return {
    file: `underpass-${command.name}.1`,
    text: lines(
      title(`underpass-${command.name}`, version),
      section('NAME', [`underpass\\-${escaped(command.name)} \\- ${inName(command.description)}`]),
      section(
        'SYNOPSIS',
        parts.flatMap((part, index) => [...(index === 0 ? [] : ['.br']), synopsis(part)]),
      ),
      section('DESCRIPTION', [paragraph(command.description)]),
      ...parts.map((part) =>
        section(isSingle ? 'OPTIONS' : escaped(part.path.toUpperCase()), [
          ...(isSingle ? [] : [paragraph(part.description)]),
          ...part.arguments.map(argumentText),
          ...part.options.map(optionText),
        ]),
      ),
      ...parts
        .filter(({ afterHelp }) => afterHelp !== '')
        .slice(0, 1)
        .map(() =>
          section(
            'EXAMPLES',
            parts.flatMap(({ afterHelp }) => examples(afterHelp)),
          ),
        ),
      seeAlso([]),
    ),
  };
}

function synopsis({ path, arguments: places, options }: CommandNode): string {
  const words = places.map(({ name, isRequired, isRepeated }) => {
    const text = `${italic(name)}${isRepeated ? '\\&...' : ''}`;
    return isRequired ? text : `[${text}]`;
  });
  return [
    bold(`underpass ${path}`),
    ...words,
    ...(options.length === 0 ? [] : [`[${italic('options')}]`]),
  ].join(' ');
}

function argumentText({ name, description }: ArgumentNode): string {
  return term(italic(name), sentence(description));
}

function optionText({ text, description, environment }: OptionNode): string {
  const from = environment === undefined ? '' : ` Also from the environment variable ${environment}.`;
  const [, names = text, value = ''] = /^(.*?)( [<[].*)?$/.exec(text) ?? [];
  return term(`${bold(names)}${italic(value)}`, `${sentence(description)}${from}`);
}

function title(name: string, version: string): string {
  return `.\\" Made from the definitions of the commands.\n.TH "${escaped(name.toUpperCase())}" "1" "" "underpass ${escaped(version)}" "User Commands"`;
}

function section(name: string, body: readonly string[]): string {
  return body.length === 0 ? '' : lines(`.SH ${name.includes(' ') ? `"${name}"` : name}`, ...body);
}

function term(text: string, meaning: string): string {
  return `.TP\n${text}\n${paragraph(meaning)}`;
}

/** The lines of an example without their heading, unfilled. */
function examples(afterHelp: string): string[] {
  const shown = afterHelp.split('\n').filter((line) => /^\s/.test(line) || line === '');
  return ['.nf', ...shown.map((line) => paragraph(line.replace(/^ {2}/, ''))), '.fi'];
}

function seeAlso(names: readonly string[]): string {
  const pages = names.length === 0 ? ['underpass'] : names.map((name) => `underpass-${name}`);
  return section('SEE ALSO', [pages.map((page) => `${bold(page)}(1)`).join(',\n')]);
}

/** The line after NAME has no full stop. */
function inName(description: string): string {
  return escaped(description.replace(/\.$/, ''));
}

function sentence(text: string): string {
  const start = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return start.endsWith('.') ? start : `${start}.`;
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

function italic(text: string): string {
  return text === '' ? '' : `\\fI${escaped(text)}\\fR`;
}

/** A line that starts with a dot or an apostrophe would be a request. */
function paragraph(text: string): string {
  return escaped(text).replace(/^[.']/, '\\&$&');
}

function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll("'", '\\(aq')
    .replaceAll('^', '\\(ha');
}

function lines(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n');
}
