/** The default place of config files, by the XDG base directory specification. */
import { homedir } from 'node:os';
import path from 'node:path';

/** `$XDG_CONFIG_HOME/underpass`, or `~/.config/underpass`; a relative XDG_CONFIG_HOME counts as unset. */
export function defaultConfigDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CONFIG_HOME;
  const root = base !== undefined && path.isAbsolute(base) ? base : path.join(homedir(), '.config');
  return path.join(root, 'underpass');
}

export function defaultRelayConfigFile(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(defaultConfigDirectory(environment), 'relay.toml');
}

/** Where a client keeps a config for each relay that it enrolled at. */
export function savedRelaysDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(defaultConfigDirectory(environment), 'relays');
}

/** Resolves a path: `~/` is the home directory, and other relative paths start at `directory`. */
export function resolveFrom(directory: string, file: string): string {
  if (file === '~' || file.startsWith('~/')) return path.join(homedir(), file.slice(1));
  return path.resolve(directory, file);
}
