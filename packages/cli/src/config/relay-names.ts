/** The relays that this user has enrolled with: one client config file for each, named for the relay. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { usageError } from '../cli-error.js';
import { closestName } from './closest-name.js';
import { defaultConfigDirectory } from './default-paths.js';

const EXTENSION = '.toml';
/** More names do not help in a message. */
const MAX_SHOWN_NAMES = 10;

export function relaysDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(defaultConfigDirectory(environment), 'relays');
}

/** The names of all files `relays/NAME.toml`, sorted. */
export function relayNames(environment: NodeJS.ProcessEnv = process.env): string[] {
  try {
    return readdirSync(relaysDirectory(environment))
      .filter((file) => file.endsWith(EXTENSION) && !file.startsWith('.'))
      .map((file) => file.slice(0, -EXTENSION.length))
      .sort();
  } catch {
    return []; // there is no such directory, or it cannot be read
  }
}

/** The config file of a relay.
 *  @throws CliError if there is none */
export function relayFile(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  const names = relayNames(environment);
  if (names.includes(name)) return path.join(relaysDirectory(environment), `${name}${EXTENSION}`);
  const closest = closestName(name, names);
  const known =
    closest !== undefined
      ? `did you mean ${closest}?`
      : names.length === 0
        ? 'enrol first, with the link from underpass invite: underpass client LINK'
        : `known relays: ${names.slice(0, MAX_SHOWN_NAMES).join(', ')}${names.length > MAX_SHOWN_NAMES ? ', …' : ''}`;
  throw usageError(`no relay is called '${name}' (${relaysDirectory(environment)})`, known);
}
