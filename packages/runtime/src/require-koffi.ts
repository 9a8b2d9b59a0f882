/** Loads koffi, an optional dependency that calls C libraries. */
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';

/** @returns koffi's exports; the caller names the part that it uses
 *  @throws if it is not installed, or has no binary for this machine */
export function requireKoffi(): unknown {
  const require = createRequire(import.meta.url);
  // koffi looks for its binary beside itself. In a workspace it is a symbolic link, which Node 20 has been seen not to
  // follow when it resolves the name late, so that the binary is looked for beside the link.
  return require(realpathSync(require.resolve('koffi')));
}
