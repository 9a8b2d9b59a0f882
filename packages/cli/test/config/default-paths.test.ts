import { homedir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultRelayConfigFile, resolveFrom } from '../../src/config/default-paths.js';

describe('the default config file', () => {
  it('is below XDG_CONFIG_HOME when that is absolute, and below ~/.config otherwise', () => {
    const home = path.join(homedir(), '.config/underpass/relay.toml');
    expect(defaultRelayConfigFile({ XDG_CONFIG_HOME: '/etc/xdg' })).toBe('/etc/xdg/underpass/relay.toml');
    expect(defaultRelayConfigFile({ XDG_CONFIG_HOME: 'relative' })).toBe(home);
    expect(defaultRelayConfigFile({})).toBe(home);
  });
});

describe('a path in a config file', () => {
  it('is relative to the directory of that file, unless it is absolute or starts with ~/', () => {
    expect(resolveFrom('/etc/underpass', 'relay.key')).toBe('/etc/underpass/relay.key');
    expect(resolveFrom('/etc/underpass', '/keys/relay.key')).toBe('/keys/relay.key');
    expect(resolveFrom('/etc/underpass', '~/relay.key')).toBe(path.join(homedir(), 'relay.key'));
  });
});
