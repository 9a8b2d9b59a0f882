/** Reads captures with tshark, if it is installed. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { installed } from './installed.js';

/** Loads the dissector of docs/wireshark. */
export const WITH_DISSECTOR: readonly string[] = [
  '-X',
  `lua_script:${fileURLToPath(new URL('../../docs/wireshark/underpass.lua', import.meta.url))}`,
];

/** Runs tshark on a capture, with every preference at its default. @returns undefined if tshark is not installed */
export function runTshark(file: string, options: readonly string[]): string | undefined {
  const tshark = installed('tshark');
  if (tshark === undefined) return undefined;
  return execFileSync(tshark, ['-r', file, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 * 1024,
    // No profile of this user, and no plugins.
    env: { ...process.env, HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' },
  });
}

/** Returns the values of `fields` for each packet that matches the filter. Several values of one field are separated by
 *  commas. @returns undefined if tshark is not installed */
export function fieldsByTshark(
  file: string,
  filter: string,
  fields: readonly string[],
  more: readonly string[] = [],
): string[][] | undefined {
  const wanted = fields.flatMap((field) => ['-e', field]);
  return runTshark(file, ['-Y', filter, ...more, '-T', 'fields', ...wanted])
    ?.split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}
