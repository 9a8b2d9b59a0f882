import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { writeFirstRelayConfig } from '../src/config/first-relay-config.js';
import { writeFileWhole } from '../src/write-file.js';
import { temporaryDirectory } from './temporary-directory.js';

describe('writing a file', () => {
  it('creates it with its mode, and leaves no other file', () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'relay.key');
    writeFileWhole(file, 'secret', { mode: 0o600 });
    expect(readFileSync(file, 'utf8')).toBe('secret');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['relay.key']);
  });

  it('replaces an existing one only on request', () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'relay.toml');
    writeFileSync(file, 'old');
    expect(() => writeFileWhole(file, 'new', { mode: 0o600 })).toThrow('EEXIST');
    expect(readFileSync(file, 'utf8')).toBe('old');
    writeFileWhole(file, 'new', { mode: 0o600, replace: true });
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(readdirSync(directory)).toEqual(['relay.toml']);
  });

  it('on a full disk leaves nothing, and works when there is space again', (context) => {
    const directory = fullDisk();
    if (directory === undefined) return context.skip('needs root, for a tmpfs');
    const config = path.join(directory, 'relay.toml');
    expect(() => writeFirstRelayConfig(config)).toThrow('no space left');
    expect(readdirSync(directory)).toEqual(['filler']);
    execFileSync('rm', [path.join(directory, 'filler')]);
    writeFirstRelayConfig(config);
    expect(readdirSync(directory).sort()).toEqual(['relay.key', 'relay.toml']);
  });
});

/** A file system with space for names but not for content. */
function fullDisk(): string | undefined {
  const directory = path.join(temporaryDirectory(), 'disk');
  mkdirSync(directory);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k,mode=0700', 'tmpfs', directory], {
      stdio: 'ignore',
    });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync('umount', [directory]));
  try {
    writeFileSync(path.join(directory, 'filler'), Buffer.alloc(64 * 1024));
  } catch {
    // as much as there was space for
  }
  return directory;
}
