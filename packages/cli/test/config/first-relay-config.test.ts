import { chmodSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_RELAY_PORT, writeFirstRelayConfig } from '../../src/config/first-relay-config.js';
import { loadRelayConfig } from '../../src/config/relay-config.js';
import { ExitCode } from '../../src/exit-code.js';
import { writeKeyFile } from '../../src/key-file.js';
import { temporaryDirectory } from '../temporary-directory.js';

function failureOf(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('the first config of a relay', () => {
  it('is private, loads unchanged, and lets nobody in', () => {
    const file = path.join(temporaryDirectory(), 'new', 'underpass', 'relay.toml');
    writeFirstRelayConfig(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(path.dirname(file), 'relay.key')).mode & 0o777).toBe(0o600);
    expect(loadRelayConfig(file)).toMatchObject({ listen: { port: DEFAULT_RELAY_PORT }, peers: [] });
  });

  it('has the requested port and endpoint', () => {
    const file = path.join(temporaryDirectory(), 'relay.toml');
    writeFirstRelayConfig(file, { listen: '[::1]:7000', endpoint: 'relay.example.org:7001' });
    expect(loadRelayConfig(file)).toMatchObject({
      listen: { host: '::1', port: 7000 },
      endpoint: { host: 'relay.example.org', port: 7001 },
    });
  });

  it('keeps an existing key, and refuses one that others can read', () => {
    const directory = temporaryDirectory();
    const key = new Uint8Array(32).fill(0x48);
    writeKeyFile(path.join(directory, 'relay.key'), key);
    chmodSync(path.join(directory, 'relay.key'), 0o640);
    expect(() => writeFirstRelayConfig(path.join(directory, 'relay.toml'))).toThrow('open to other users');
    chmodSync(path.join(directory, 'relay.key'), 0o600);
    writeFirstRelayConfig(path.join(directory, 'relay.toml'));
    expect(loadRelayConfig(path.join(directory, 'relay.toml')).privateKey).toEqual(key);
  });

  it('does not overwrite a config, and shows how to add a peer', () => {
    const file = path.join(temporaryDirectory(), 'relay.toml');
    writeFirstRelayConfig(file);
    expect(readFileSync(file, 'utf8')).toContain('# [[peer]]');
    expect(() => writeFirstRelayConfig(file)).toThrow('it already exists');
  });

  it('that has no place is a mistake in the config, whether the directory or the file is in the way', () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'relay.toml');
    writeFirstRelayConfig(file);
    for (const [wrong, place] of [
      [path.join(file, 'relay.toml'), file],
      [file, file],
    ] as const) {
      expect(failureOf(() => writeFirstRelayConfig(wrong))).toMatchObject({
        exitCode: ExitCode.config,
        message: expect.stringContaining(`cannot write ${place}: `),
        hint: 'choose another place with --config',
      });
    }
  });
});
