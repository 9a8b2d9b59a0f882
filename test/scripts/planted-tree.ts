/** A small workspace in a temporary folder, for the scripts that check the real one. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** @param files  by their path below the root */
export function plant(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(path.join(tmpdir(), 'underpass-planted-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  return root;
}

/** @returns the exit code, what it complains about, line by line, and what else it says */
export function runScript(
  name: string,
  root: string,
  ...options: readonly string[]
): { code: number | null; complaints: string[]; output: string } {
  const script = fileURLToPath(new URL(`../../scripts/${name}`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...options, root], {
    encoding: 'utf8',
  });
  return { code: status, complaints: stderr.split('\n').filter((line) => line !== ''), output: stdout };
}
