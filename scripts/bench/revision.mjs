// Builds another commit of this repository, to compare with.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArgumentError } from './arguments.mjs';
import { atEnd } from './at-end.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Checks the commit out in a temporary directory, which is removed when the benchmark ends.
 *
 *  @returns the folder of the built checkout
 *  @throws ArgumentError if there is no such commit */
export function buildRevision(revision, say) {
  const commit = commitOf(revision);
  const parent = mkdtempSync(path.join(tmpdir(), 'underpass-bench-against-'));
  const root = path.join(parent, 'checkout');
  atEnd(() => rmSync(parent, { recursive: true, force: true }));
  git('worktree', 'add', '--quiet', '--detach', root, commit);
  atEnd(() => git('worktree', 'remove', '--force', root));
  say(`building ${revision} (${commit.slice(0, 12)}) ...`);
  execFileSync(process.execPath, ['scripts/setup.mjs', '--program', '--quiet'], {
    cwd: root,
    stdio: 'inherit',
  });
  return { revision, root };
}

function commitOf(revision) {
  try {
    return git('rev-parse', '--verify', '--quiet', `${revision}^{commit}`).trim();
  } catch {
    throw new ArgumentError(`--against '${revision}' is not a commit of this repository`);
  }
}

function git(...parameters) {
  return execFileSync('git', parameters, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
