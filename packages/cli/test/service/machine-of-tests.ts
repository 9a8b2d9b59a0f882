/** A machine whose services go into a temporary directory. */
import path from 'node:path';
import type { Machine } from '../../src/service/machine.js';

export function machineIn(directory: string, parts: Partial<Machine> = {}): Machine {
  return {
    isRoot: true,
    runsSystemd: true,
    // Files that every user can read on any machine where the tests run.
    node: '/bin/sh',
    script: '/bin/sh',
    home: directory,
    configDirectory: path.join(directory, '.config', 'underpass'),
    directories: {
      systemUnits: path.join(directory, 'system'),
      userUnits: path.join(directory, 'user'),
      sysusers: path.join(directory, 'sysusers.d'),
    },
    ...parts,
  };
}
