/** Finds and runs programs of this machine that a test needs. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';

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

/** Runs a program with `input` on its stdin, and waits for its end. It is killed if the test ends first. */
export async function run(
  command: string,
  commandArguments: readonly string[],
  input: Uint8Array | string = '',
) {
  const child = spawn(command, commandArguments, { stdio: ['pipe', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code]: unknown[] = await once(child, 'close');
  return { code, output: Buffer.concat(output), errors: Buffer.concat(errors).toString() };
}
