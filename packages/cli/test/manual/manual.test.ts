import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/commands/every-command.js';
import { allCommands, commandTree } from '../../src/completion/command-tree.js';
import { manual } from '../../src/manual/index.js';
import { manPages } from '../../src/manual/man-page.js';
import { SECTIONS } from '../../src/manual/sections.js';

const reference = readFileSync(new URL('../../../../docs/cli.md', import.meta.url), 'utf8');
const tree = commandTree(buildProgram());
const page = (name: string) => manual().find(({ file }) => file === `${name}.1`)?.text ?? '';

describe('the manual', () => {
  it('has a page for the program and one for each command', () => {
    const names = tree.commands.map(({ name }) => name).filter((name) => name !== 'help');
    expect(manual().map(({ file }) => file)).toEqual([
      'underpass.1',
      ...names.map((name) => `underpass-${name}.1`),
    ]);
  });

  it('describes options with their variables, and subcommands on the page of their command', () => {
    expect(page('underpass-relay')).toContain('\\fB\\-\\-listen\\fR\\fI <[host:]port>\\fR\n');
    expect(page('underpass-relay')).toContain('environment variable UNDERPASS_LISTEN.');
    expect(page('underpass-service')).toContain('.SH "SERVICE UNINSTALL"');
  });

  it('puts what may be left out into brackets, and dots behind what may be repeated', () => {
    const synopsis = (name: string) => page(name).split('.SH SYNOPSIS\n')[1]?.split('\n')[0];
    expect(synopsis('underpass-client')).toBe('\\fBunderpass client\\fR [\\fIrelay\\fR] [\\fIoptions\\fR]');
    expect(synopsis('underpass-allow')).toBe(
      '\\fBunderpass allow\\fR \\fIname\\fR [\\fItarget\\fR\\&...] [\\fIoptions\\fR]',
    );
  });

  it('has an example in the help of every command', () => {
    const without = allCommands(tree).filter(
      ({ name, afterHelp }) => name !== 'help' && !/^Examples?:$/m.test(afterHelp),
    );
    expect(without.map(({ path }) => path)).toEqual([]);
  });

  it('names the commands that have the option which a variable stands for', () => {
    const having = (variable: string, flag: string) =>
      allCommands(tree)
        .filter(({ options }) =>
          options.some(({ environment, flags }) => environment === variable && flags.includes(flag)),
        )
        .map(({ path }) => `underpass ${path}`);
    const described = SECTIONS.environment.flatMap(([variable, text]) => {
      const [, flag, commands] = /^As (--[a-z-]+)(?: of (.*))?\.$/.exec(text) ?? [];
      return flag === undefined ? [] : [{ variable, flag, commands: commands?.split(' and ') }];
    });
    expect(described.map(({ variable }) => variable)).toContain('UNDERPASS_LISTEN');
    for (const { variable, flag, commands } of described) {
      const all = having(variable, flag);
      expect(all).not.toEqual([]);
      expect({ variable, commands: new Set(commands ?? all) }).toEqual({ variable, commands: new Set(all) });
    }
  });

  it('escapes what the format would interpret', () => {
    const program = { ...tree, description: ".dot, 'quote' and back\\slash", commands: [] };
    const text = manPages(program, '1.2-rc', { exitStatus: [], environment: [['A', '.start']], files: [] })[0]
      ?.text;
    expect(text).toContain('underpass 1.2\\-rc');
    expect(text).toContain('.dot, \\(aqquote\\(aq and back\\eslash');
    expect(text).toContain('\n\\&.start');
  });
});

describe('docs/cli.md', () => {
  const documented = tree.commands.filter(({ name }) => name !== 'help');

  it.each(documented.map((command) => [command.name, command] as const))(
    'describes underpass %s and each of its options',
    (name, command) => {
      const [, section = ''] = reference.split(new RegExp(`^### underpass ${name}$`, 'm'));
      const text = section.split(/^##/m, 1)[0] ?? '';
      const options = allCommands(command).flatMap((part) => part.options);
      const missing = options
        .map(({ flags }) => flags)
        .filter((flags) => !flags.includes('--help') && !flags.some((flag) => text.includes(`\`${flag}`)));
      expect({ length: text.length > 0, missing }).toEqual({ length: true, missing: [] });
    },
  );

  it('lists every environment variable of the manual, and the manual those of the options', () => {
    for (const [name] of SECTIONS.environment) expect(reference).toContain(`\`${name}\``);
    const known = new Set(SECTIONS.environment.map(([name]) => name));
    const used = allCommands(tree).flatMap(({ options }) =>
      options.flatMap(({ environment }) => environment ?? []),
    );
    expect(used.filter((name) => !known.has(name))).toEqual([]);
    expect(used).toContain('UNDERPASS_LISTEN');
  });

  it('lists every exit code of the manual', () => {
    for (const [code] of SECTIONS.exitStatus) expect(reference).toMatch(new RegExp(`^\\| ${code} +\\|`, 'm'));
  });
});
