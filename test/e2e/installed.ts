/** Finds and runs programs of this machine that a test needs. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** The program's full path, or undefined when it is not installed. */
export function installed(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const directory of directories) {
    const file = path.join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this directory: try the next.
    }
  }
  return undefined;
}

/** Runs a program with `input` and returns its output. */
export function outputOf(command: string, commandArguments: readonly string[], input = ''): string {
  return execFileSync(command, commandArguments, { input, encoding: 'utf8', stdio: 'pipe' });
}
