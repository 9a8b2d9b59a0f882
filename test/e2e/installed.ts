/** Whether a program of this machine can take part in a test. */
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
      // not there: the next directory
    }
  }
  return undefined;
}

/** What a program prints, given `input`. */
export function outputOf(command: string, commandArguments: readonly string[], input = ''): string {
  return execFileSync(command, commandArguments, { input, encoding: 'utf8', stdio: 'pipe' });
}
