// The versions of Node that are to run Underpass.

import { execFileSync } from 'node:child_process';
import { ArgumentError } from './arguments.mjs';

/** @param paths  of `--node`; none of them means the Node that runs the benchmark
 *  @returns `{ version, path }` of each: the main version alone, for example `24`
 *  @throws ArgumentError if one of them cannot be run */
export function readNodes(paths) {
  if (paths.length === 0) return [nodeAt(process.execPath)];
  return paths.map(nodeAt);
}

function nodeAt(path) {
  try {
    const version = execFileSync(path, ['--print', 'process.versions.node'], { encoding: 'utf8' }).trim();
    return { path, version: version.split('.', 1)[0] };
  } catch (error) {
    throw new ArgumentError(`--node '${path}' cannot be run: ${error.code ?? error.message}`);
  }
}
