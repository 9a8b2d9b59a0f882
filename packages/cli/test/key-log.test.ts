import { chmodSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { silentLog } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { openKeyLog } from '../src/key-log.js';
import { temporaryDirectory } from './temporary-directory.js';

describe('a key log', () => {
  it('is made with mode 0600, appended to, and warned of', () => {
    const file = path.join(temporaryDirectory(), 'keys.log');
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_fields: object, message: string) => warnings.push(message) };
    openKeyLog(file, log)('LOCAL_STATIC_PRIVATE_KEY = a');
    openKeyLog(file, log)('LOCAL_STATIC_PRIVATE_KEY = b');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toBe('LOCAL_STATIC_PRIVATE_KEY = a\nLOCAL_STATIC_PRIVATE_KEY = b\n');
    expect(warnings[0]).toContain('can read this traffic');
    expect(warnings.join()).not.toContain('PRIVATE');
  });

  it('is refused when others can read it or it cannot be opened', () => {
    const file = path.join(temporaryDirectory(), 'keys.log');
    openKeyLog(file, silentLog);
    chmodSync(file, 0o604);
    expect(() => openKeyLog(file, silentLog)).toThrow('open to other users');
    expect(() => openKeyLog(path.dirname(file), silentLog)).toThrow('it is a directory');
  });
});
