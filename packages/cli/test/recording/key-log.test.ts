import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { silentLog } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openKeyLog } from '../../src/recording/key-log.js';
import { temporaryDirectory } from '../temporary-directory.js';

describe('a key log', () => {
  it('is created with mode 0600 and appended to, with a warning', () => {
    const file = path.join(temporaryDirectory(), 'keys.log');
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_fields: object, message: string) => warnings.push(message) };
    openKeyLog(file, log)('LOCAL_STATIC_PRIVATE_KEY = a');
    openKeyLog(file, log)('LOCAL_STATIC_PRIVATE_KEY = b');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toBe('LOCAL_STATIC_PRIVATE_KEY = a\nLOCAL_STATIC_PRIVATE_KEY = b\n');
    expect(warnings[0]).toContain('can read this traffic, and pose as this side');
    expect(warnings.join()).not.toContain('PRIVATE');
  });

  it('is refused when others can read it or it cannot be opened', () => {
    const file = path.join(temporaryDirectory(), 'keys.log');
    openKeyLog(file, silentLog);
    chmodSync(file, 0o604);
    expect(() => openKeyLog(file, silentLog)).toThrow('open to other users');
    expect(() => openKeyLog(path.dirname(file), silentLog)).toThrow('it is a directory');
  });

  it('is refused when it is a link, which another user may have created', () => {
    const directory = temporaryDirectory();
    const target = path.join(directory, 'precious');
    writeFileSync(target, 'precious', { mode: 0o600 });
    symlinkSync(target, path.join(directory, 'link'));
    expect(() => openKeyLog(path.join(directory, 'link'), silentLog)).toThrow('it is a symbolic link');
    linkSync(target, path.join(directory, 'other-name'));
    expect(() => openKeyLog(path.join(directory, 'other-name'), silentLog)).toThrow('has other names');
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it('stops when its pipe is full, rather than wait for the reader', () => {
    const file = path.join(temporaryDirectory(), 'pipe');
    execFileSync('mkfifo', ['-m', '600', file]);
    const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(reader));
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_fields: object, message: string) => warnings.push(message) };
    const write = openKeyLog(file, log);
    for (let i = 0; i < 100; i++) write('x'.repeat(4000));
    expect(warnings[1]).toContain('stops here');
    expect(warnings).toHaveLength(2);
  });

  it('is refused when it belongs to another user', (context) => {
    if (process.geteuid?.() !== 0) return context.skip('needs root, for chown');
    const file = path.join(temporaryDirectory(), 'keys.log');
    writeFileSync(file, '', { mode: 0o600 });
    chownSync(file, 4711, 4711);
    expect(() => openKeyLog(file, silentLog)).toThrow('belongs to another user');
  });
});
