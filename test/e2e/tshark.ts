/** Reads captures with tshark, if it is installed. */
import { execFileSync } from 'node:child_process';
import { installed } from './installed.js';

/** Returns the values of `fields` for each packet that matches the filter, with every preference at its default. Several
 *  values of one field are separated by commas. @returns undefined if tshark is not installed */
export function readWithTshark(
  file: string,
  filter: string,
  fields: readonly string[],
  more: readonly string[] = [],
): string[][] | undefined {
  const tshark = installed('tshark');
  if (tshark === undefined) return undefined;
  const output = execFileSync(
    tshark,
    ['-r', file, '-Y', filter, ...more, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 1024 * 1024,
      // No profile of this user, and no plugins.
      env: { ...process.env, HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' },
    },
  );
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}
