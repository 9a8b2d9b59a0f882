import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { thisMachine } from '../../src/service/machine.js';

it('the machine of a service has the directories of systemd, and the program that runs now', () => {
  const machine = thisMachine({ XDG_CONFIG_HOME: '/x/config' });
  expect(machine).toMatchObject({
    isRoot: process.geteuid?.() === 0,
    node: realpathSync(process.execPath),
    script: realpathSync(process.argv[1] ?? ''),
    home: homedir(),
    configDirectory: '/x/config/underpass',
    directories: {
      systemUnits: '/etc/systemd/system',
      userUnits: '/x/config/systemd/user',
      sysusers: '/etc/sysusers.d',
    },
  });
  vi.stubEnv('XDG_CONFIG_HOME', '/x/config');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(thisMachine()).toEqual(machine);
});

it.each([undefined, '', 'relative'])(
  'units of a user are below its home if XDG_CONFIG_HOME is %j',
  (config) => {
    const { directories } = thisMachine({ XDG_CONFIG_HOME: config });
    expect(directories.userUnits).toBe(path.join(homedir(), '.config', 'systemd', 'user'));
  },
);
