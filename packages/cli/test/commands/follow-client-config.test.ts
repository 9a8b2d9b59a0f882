import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { BoundForward } from '@underpass/client';
import type { Forward } from '@underpass/forward';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ClientConfigFollower } from '../../src/commands/follow-client-config.js';
import { loadClientConfig } from '../../src/config/client-config.js';
import { configVersion } from '../../src/config/config-watch.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { ManualTimers } from '../config/manual-timers.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { recordingLog } from './recording-log.js';

/** A client that follows a config with these forwards. It records what it is asked for. */
function scene(forwards: readonly string[], { cannotOpen = '', more = '' } = {}) {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'client.toml');
  writeKeyFile(path.join(directory, 'client.key'), new Uint8Array(32).fill(0x48));
  const write = (list: readonly string[], rest = ''): void =>
    writeFileSync(
      file,
      `relay = "192.0.2.1:51820"\nrelay_public_key = "${encodeKey(new Uint8Array(32).fill(0x21))}"\nprivate_key_file = "client.key"\nlocal_forwards = ${JSON.stringify(list)}\n${rest}`,
    );
  write(forwards, more);
  const calls: string[] = [];
  const client = {
    addForward: async (spec: Forward): Promise<BoundForward> => {
      calls.push(`add ${spec.text}`);
      if (spec.text === cannotOpen) throw new Error('the port is in use');
      return { spec, addresses: [] };
    },
    removeForward: async (spec: Forward): Promise<boolean> => calls.push(`remove ${spec.text}`) > 0,
  };
  const log = recordingLog();
  const timers = new ManualTimers();
  const loaded = { file, version: configVersion(file), config: loadClientConfig(file) };
  const follower = new ClientConfigFollower(loaded, client, log, timers);
  onTestFinished(() => follower.close());
  return { write, calls, log, timers, follower };
}

describe('a client that follows its config', () => {
  it('opens what is new and closes what is gone, and leaves the rest alone', async () => {
    const { write, calls, log, follower } = scene(['8080:localhost:80', '8081:localhost:81']);
    write(['8081:localhost:81', '8082:localhost:82']);
    await follower.reload();
    expect(calls).toEqual(['remove 8080:localhost:80', 'add 8082:localhost:82']);
    expect(log.fields[0]).toEqual({ event: 'reloaded', forwards: 2 });
    expect(log.lines[0]).toMatch(/client\.toml: 2 forwards, 1 new, 1 closed$/);
    write([]);
    await follower.reload();
    expect(calls.slice(2)).toEqual(['remove 8081:localhost:81', 'remove 8082:localhost:82']);
    expect(log.lines.at(-1)).toMatch(/client\.toml: 0 forwards, 0 new, 2 closed$/);
    write(['8083:localhost:83']);
    await follower.reload();
    expect(log.lines.at(-2)).toMatch(/client\.toml: 1 forward, 1 new, 0 closed$/);
  });

  it('does so by itself when the file has changed', async () => {
    const { write, calls, timers, follower } = scene([]);
    write(['8080:localhost:80']);
    timers.look();
    timers.settle();
    await follower.reload(); // it waits for the one before
    expect(calls).toEqual(['add 8080:localhost:80']);
  });

  it('changes nothing for a config with mistakes', async () => {
    const { write, calls, log, follower } = scene(['8080:localhost:80']);
    write([], 'lisen = 1\n');
    await follower.reload();
    expect(calls).toEqual([]);
    expect(log.lines).toEqual([
      expect.stringMatching(/^error not reloaded: .*client\.toml:5: lisen: unknown key/),
    ]);
  });

  it('leaves out a forward that cannot be opened, and tries it again at the next change', async () => {
    const { write, calls, log, follower } = scene([], { cannotOpen: '80:localhost:80' });
    write(['80:localhost:80', '8080:localhost:80']);
    await follower.reload();
    expect(log.fields.map((fields) => Reflect.get(fields, 'event'))).toEqual([
      'reload-failed',
      'reloaded',
      'listening',
    ]);
    await follower.reload();
    expect(calls.filter((call) => call === 'add 80:localhost:80')).toHaveLength(2);
    expect(calls.filter((call) => call === 'add 8080:localhost:80')).toHaveLength(1);
  });

  it('names the keys that need a restart', async () => {
    const { write, log, follower } = scene([]);
    write([], 'connect_timeout_seconds = 5\ncongestion = "cubic"\n');
    await follower.reload();
    expect(log.fields.at(-1)).toEqual({
      event: 'restart-needed',
      keys: ['connect_timeout_seconds', 'congestion'],
    });
  });

  it('does not name a key whose value is the same as before', async () => {
    const metrics = 'metrics = "127.0.0.1:9100"\n';
    const { write, log, follower } = scene([], { more: metrics });
    write(['8080:localhost:80'], metrics);
    await follower.reload();
    expect(log.fields.map((fields) => Reflect.get(fields, 'event'))).toEqual(['reloaded', 'listening']);
    write(['8080:localhost:80'], metrics.replace('9100', '9101'));
    await follower.reload();
    expect(log.fields.at(-1)).toEqual({ event: 'restart-needed', keys: ['metrics'] });
  });
});
