/** The command line around its commands: help, usage errors and exit codes. */
import { Command } from 'commander';
import { describe, expect, it, onTestFinished } from 'vitest';
import { usageError } from '../src/cli-error.js';
import { ExitCode } from '../src/exit-code.js';
import { runProgram } from '../src/program.js';
import { VERSION } from '../src/version.js';
import { recordPrinted } from './commands/printed.js';

/** Runs a program with a command `greet NAME [--loud]` and a group `group` with the command `leaf`. */
async function run(...argv: string[]) {
  const calls: unknown[] = [];
  const greet = new Command('greet')
    .description('Says hello.')
    .argument('<name>')
    .option(
      '--loud',
      'With a description that is so long that it needs more than one line of eighty columns.',
    )
    .option('--a-very-long-option-with-a <value>', 'Below.')
    .action((name: string, options: object) => {
      calls.push([name, options]);
      if (name === 'nobody') throw usageError('nobody is there', 'say another name');
      if (name === 'seven') process.exitCode = 7;
    });
  const group = new Command('group').addCommand(new Command('leaf').argument('<x>').action(() => undefined));
  const { exitCode } = process;
  onTestFinished(() => {
    process.exitCode = exitCode;
  });
  process.exitCode = undefined;
  const printed = recordPrinted(false);
  const code = await runProgram(argv, [greet, group]);
  return { code, calls, lines: printed().filter((line) => line !== 'out ') };
}

describe('the command line', () => {
  it('runs a command with its arguments', async () => {
    const { code, calls, lines } = await run('greet', 'you', '--loud');
    expect([code, calls, lines]).toEqual([ExitCode.ok, [['you', { loud: true }]], []]);
  });

  it('ends with the exit code that a command has set', async () => {
    expect((await run('greet', 'seven')).code).toBe(7);
  });

  it('prints the failure of a command in a line', async () => {
    const { code, lines } = await run('greet', 'nobody');
    expect([code, lines]).toEqual([ExitCode.usage, ['err underpass: nobody is there: say another name']]);
  });

  it.each([
    [['greet'], "underpass: missing required argument 'name': see underpass greet --help"],
    [
      ['greet', 'you', '--lout'],
      "underpass: unknown option '--lout' (Did you mean --loud?): see underpass greet --help",
    ],
    [['gret'], "underpass: unknown command 'gret' (Did you mean greet?): see underpass --help"],
    [['group', 'leaf'], "underpass: missing required argument 'x': see underpass group leaf --help"],
  ])('says in one line what is wrong with %j', async (argv, line) => {
    const { code, lines, calls } = await run(...argv);
    expect([code, lines, calls]).toEqual([ExitCode.usage, [`err ${line}`], []]);
  });

  it('shows the help where it is asked for, and as a usage error where a command is missing', async () => {
    const asked = await run('--help');
    expect(asked.code).toBe(ExitCode.ok);
    expect(asked.lines.join('\n')).toMatch(/^out Usage: underpass [\s\S]*Every command has its own --help/);
    const bare = await run();
    expect(bare.code).toBe(ExitCode.usage);
    expect(bare.lines.length).toBeGreaterThan(5);
    for (const line of bare.lines) expect(line).toMatch(/^err [^\n]*$/);
    expect((await run('--version')).lines).toEqual([`out ${VERSION}`]);
  });

  it('fits its help into 80 columns', async () => {
    const lines = (await run('greet', '--help')).lines.join('\n').split('\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80 + 'out '.length);
    const [beside, more] = lines.slice(lines.findIndex((line) => line.startsWith('  --loud')));
    expect(beside).toMatch(/^ {2}--loud {22}With a description/);
    expect(more).toMatch(/^ {30}\S/);
    const below = lines.findIndex((line) => line.startsWith('  --a-very-long-option-with-a'));
    expect(lines[below]).toBe('  --a-very-long-option-with-a <value>');
    expect(lines[below + 1]).toBe(`${' '.repeat(30)}Below.`);
  });
});
