/** The completion scripts, run by the shells themselves. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEADLINE_MS } from './deadline.js';
import { installed, outputOf } from './installed.js';
import { PROGRAM } from './running-program.js';
import { temporaryDirectory } from './temporary-directory.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const scripts = new Map<Shell, string>();
beforeAll(() => {
  for (const shell of SHELLS) scripts.set(shell, outputOf(process.execPath, [PROGRAM, 'completion', shell]));
});

/** A directory with two saved relays, one peer and a file. @returns its path */
function home(): string {
  const directory = temporaryDirectory();
  mkdirSync(path.join(directory, 'underpass', 'relays'), { recursive: true });
  for (const name of ['home', 'office.example']) {
    writeFileSync(path.join(directory, 'underpass', 'relays', `${name}.toml`), '');
  }
  mkdirSync(path.join(directory, 'underpass', 'relay.d', 'laptop'), { recursive: true });
  writeFileSync(path.join(directory, 'some relay.toml'), '');
  return directory;
}

/** How each shell prints what it proposes for the line $1, when the script is the file $2. */
const DRIVERS: Readonly<Record<Shell, string>> = {
  bash: `source "$2"; COMP_LINE=$1 COMP_POINT=\${#1}; _underpass; printf '%s\\n' "\${COMPREPLY[@]}"`,
  fish: `source $argv[2]; complete -C "$argv[1]" | string replace -r '\\t.*' ''`,
  // An interactive zsh completes the line in a pseudo-terminal, and prints every proposal before it adds it. Arrays
  // that it passes with -O, -A or -D are for its own calculations.
  zsh: String.raw`
    zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z "PROMPT='' RPROMPT=''; stty -echo; autoload -Uz compinit; compinit -D -u; source '$2'"
    zpty -w z "bindkey '^I' complete-word; finish() { print FINISHED }; zle -N finish; bindkey '^G' finish"
    zpty -w z 'compadd() {
      [[ "$*" == *-[OAD]* ]] && { builtin compadd "$@"; return }
      local -a found; builtin compadd -O found "$@"; print -rl -- "PROPOSED:"$^found; builtin compadd "$@"
    }'
    zpty -w z 'print STAR""TED'
    zpty -r -m z line '*STARTED*'
    zpty -w -n z "$1"$'\t\a'
    zpty -r -m z line '*FINISHED*'
    print -r -- "$line"
    zpty -d z
  `,
};

function proposals(shell: Shell, line: string, directory = home()): string[] {
  const file = path.join(directory, 'script');
  writeFileSync(file, scripts.get(shell) ?? '');
  const parameters =
    shell === 'fish'
      ? ['--no-config', '-c', DRIVERS.fish, line, file]
      : ['-c', DRIVERS[shell], shell, line, file];
  const environment = { PATH: process.env.PATH, HOME: directory, XDG_CONFIG_HOME: directory, TERM: 'dumb' };
  const { stdout, stderr } = spawnSync(installed(shell) ?? shell, parameters, {
    encoding: 'utf8',
    timeout: DEADLINE_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: directory,
    env: environment,
  });
  expect(stderr.replaceAll(/.*compopt.*\n/g, '')).toBe('');
  const lines = stdout.split(/\r?\n/).map((text) => text.trim());
  const found = shell === 'zsh' ? lines.flatMap((text) => /PROPOSED:(.*)/.exec(text)?.[1] ?? []) : lines;
  return [...new Set(found.filter((text) => text !== ''))].sort((a, b) => (a < b ? -1 : 1));
}

describe.each(SHELLS)('the completion of %s', (shell) => {
  const only = installed(shell) === undefined;

  it.skipIf(only)(`proposes the commands (needs ${shell})`, () => {
    expect(proposals(shell, 'underpass ')).toEqual(
      expect.arrayContaining(['client', 'completion', 'relay', 'service', 'status']),
    );
    expect(proposals(shell, 'underpass rel')).toEqual(['relay']);
    expect(proposals(shell, 'underpass service ')).toEqual(['install', 'uninstall']);
  });

  it.skipIf(only)(`proposes the options of a command, and the values of an option (needs ${shell})`, () => {
    expect(proposals(shell, 'underpass client --key')).toEqual(['--key', '--key-log']);
    expect(proposals(shell, 'underpass relay --log-level ')).toEqual([
      'debug',
      'error',
      'info',
      'silent',
      'warn',
    ]);
    expect(proposals(shell, 'underpass completion ')).toEqual(['bash', 'fish', 'zsh']);
  });

  it.skipIf(only)(`proposes the names of saved relays (needs ${shell})`, () => {
    expect(proposals(shell, 'underpass status ')).toEqual(['home', 'office.example']);
    expect(proposals(shell, 'underpass service install client o')).toEqual(['office.example']);
  });

  it.skipIf(only)(`proposes nothing behind the last argument (needs ${shell})`, () => {
    // zsh proposes the options where there is nothing else.
    const words = (line: string) => proposals(shell, line).filter((word) => !word.startsWith('-'));
    expect(words('underpass completion fish ')).toEqual([]);
    expect(words('underpass status home o')).toEqual([]);
    expect(words('underpass service install client home o')).toEqual([]);
  });

  it.skipIf(only)(`proposes the commands of a command in its first place alone (needs ${shell})`, () => {
    expect(proposals(shell, 'underpass service install ')).not.toContain('uninstall');
    expect(proposals(shell, 'underpass nonsense rel')).toEqual([]);
  });

  it.skipIf(only)(`proposes files where a file is expected, and nothing for a port (needs ${shell})`, () => {
    expect(proposals(shell, 'underpass relay --config so').join()).toMatch(/some\\? relay\.toml/);
    expect(proposals(shell, 'underpass relay --listen ')).toEqual([]);
  });
});
