import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { silentLog } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { openCapture } from '../../src/recording/capture-file.js';
import { temporaryDirectory } from '../temporary-directory.js';

const HERE = { address: '::', port: 4000 };
const RELAY = { address: '192.0.2.1', port: 51820 };
const SECTION_HEADER = '0a0d0d0a';

describe('a capture', () => {
  it('replaces an older file, has mode 0600, and starts with a warning', async () => {
    const file = path.join(temporaryDirectory(), 'capture.pcapng');
    writeFileSync(file, 'x'.repeat(100_000), { mode: 0o600 });
    const lines: string[] = [];
    const note = (_fields: object, message: string) => lines.push(message);
    const capture = openCapture(file, 'client', { ...silentLog, warn: note, info: note });
    capture.begin();
    capture.keyLog('LOCAL_STATIC_PRIVATE_KEY = secret');
    capture.tap.onSent(Buffer.from('hello'), HERE, RELAY);
    capture.tap.onReceived(Buffer.from('world'), RELAY, HERE);
    await capture.close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(file);
    expect(bytes.toString('hex')).toMatch(new RegExp(`^${SECTION_HEADER}`));
    const at = ['PRIVATE_KEY', 'hello', 'world'].map((text) => bytes.indexOf(text));
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    expect(at[0]).toBeGreaterThan(0);
    expect(bytes.length).toBeLessThan(1000);
    expect(lines[0]).toContain('can read this traffic');
    expect(lines[1]).toBe(`captured 2 datagrams in ${file}`);
    expect(lines.join()).not.toContain('secret');
  });

  it('is refused where it is not safe', () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'open.pcapng');
    writeFileSync(file, 'precious');
    chmodSync(file, 0o644);
    expect(() => openCapture(file, 'client', silentLog)).toThrow('open to other users');
    symlinkSync(file, path.join(directory, 'link'));
    expect(() => openCapture(path.join(directory, 'link'), 'client', silentLog)).toThrow('symbolic link');
    expect(() => openCapture(directory, 'client', silentLog)).toThrow('it is a directory');
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });
});
