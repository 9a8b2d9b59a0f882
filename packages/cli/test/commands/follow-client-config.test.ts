import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { BoundForward } from '@underpass/client';
import type { Forward } from '@underpass/forward';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ClientConfigFollower } from '../../src/commands/follow-client-config.js';
import { type ClientConfig, loadClientConfig } from '../../src/config/client-config.js';
import { configVersion } from '../../src/config/config-watch.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { ManualTimers } from '../config/manual-timers.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { recordingLog } from './recording-log.js';

const read = vi.hoisted(() => ({ configs: [] as unknown[] }));
vi.mock('../../src/config/client-config.js', async (original) => {
  const actual = await original<typeof import('../../src/config/client-config.js')>();
  return {
    ...actual,
    loadClientConfig: (file: string) => {
      const config = actual.loadClientConfig(file);
      read.configs.push(config);
      return config;
    },
  };
});
beforeEach(() => {
  read.configs.length = 0;
});

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
  /** The next forwards open when this promise resolves. */
  const stage = { opening: Promise.resolve() };
  const client = {
    addForward: async (spec: Forward): Promise<BoundForward> => {
      calls.push(`add ${spec.text}`);
      await stage.opening;
      if (spec.text === cannotOpen) throw new Error('the port is in use');
      return { spec, addresses: [] };
    },
    removeForward: async (spec: Forward): Promise<boolean> => {
      await new Promise(setImmediate);
      return calls.push(`remove ${spec.text}`) > 0;
    },
  };
  const log = recordingLog();
  const timers = new ManualTimers();
  const loaded = { file, version: configVersion(file), config: loadClientConfig(file) };
  const follower = new ClientConfigFollower(loaded, client, log, timers);
  onTestFinished(() => follower.close());
  return { directory, write, calls, stage, log, timers, follower };
}

describe('a client that follows its config', () => {
  it('opens what is new and closes what is gone, and leaves the rest alone', async () => {
    const { write, calls, log, follower } = scene(['8080:localhost:80', '8081:localhost:81']);
    write(['8081:localhost:81', '8082:localhost:82']);
    await follower.reload();
    expect(calls).toEqual(['remove 8080:localhost:80', 'add 8082:localhost:82']);
    expect(log.fields[0]).toEqual({ event: 'reloaded', forwards: 2 });
    expect(log.lines[0]).toMatch(/^info reloaded .*client\.toml: 2 forwards, 1 new, 1 closed$/);
    write([]);
    await follower.reload();
    expect(calls.slice(2)).toEqual(['remove 8081:localhost:81', 'remove 8082:localhost:82']);
    expect(log.lines.at(-1)).toMatch(/client\.toml: 0 forwards, 0 new, 2 closed$/);
    write(['8083:localhost:83']);
    await follower.reload();
    expect(log.lines.at(-2)).toMatch(/client\.toml: 1 forward, 1 new, 0 closed$/);
  });

  it('frees a place before it opens another forward there', async () => {
    const { write, calls, follower } = scene(['8080:localhost:80']);
    write(['8080:localhost:81']);
    await follower.reload();
    expect(calls).toEqual(['remove 8080:localhost:80', 'add 8080:localhost:81']);
  });

  it('tells a forward to the relay from one here that is written the same', async () => {
    const { write, calls, follower } = scene(['8080:localhost:80']);
    write([], 'reverse_forwards = ["8080:localhost:80"]\n');
    await follower.reload();
    expect(calls).toEqual(['remove 8080:localhost:80', 'add 8080:localhost:80']);
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
    expect(log.lines[0]).toMatch(/^error not reloaded: .*the port is in use/);
    await follower.reload();
    expect(calls.filter((call) => call === 'add 80:localhost:80')).toHaveLength(2);
    expect(calls.filter((call) => call === 'add 8080:localhost:80')).toHaveLength(1);
  });

  it('carries out one change after the other', async () => {
    const { write, calls, stage, follower } = scene([]);
    let open = (): void => undefined;
    stage.opening = new Promise((resolve) => {
      open = resolve;
    });
    write(['8080:localhost:80']);
    const first = follower.reload();
    await new Promise(setImmediate);
    write([]);
    const second = follower.reload();
    await new Promise(setImmediate);
    expect(calls).toEqual(['add 8080:localhost:80']);
    open();
    await Promise.all([first, second]);
    expect(calls).toEqual(['add 8080:localhost:80', 'remove 8080:localhost:80']);
  });

  it('follows the next change after one with mistakes', async () => {
    const { write, calls, follower } = scene([]);
    for (const _ of [1, 2]) {
      write([], 'lisen = 1\n');
      await follower.reload();
    }
    write(['8080:localhost:80']);
    await follower.reload();
    expect(calls).toEqual(['add 8080:localhost:80']);
  });

  it('keeps no secret key of what it reads', async () => {
    const { directory, write, follower } = scene([]);
    writeKeyFile(path.join(directory, 'psk.key'), new Uint8Array(32).fill(7));
    write(['8080:localhost:80'], 'preshared_key_file = "psk.key"\n');
    await follower.reload();
    const { privateKey, presharedKey } = read.configs.at(-1) as ClientConfig;
    expect([privateKey, presharedKey]).toEqual([new Uint8Array(32), new Uint8Array(32)]);
  });

  it('looks at its file no more once it is closed', () => {
    const { timers, follower } = scene([]);
    expect(timers.waiting).toBeGreaterThan(0);
    follower.close();
    expect(timers.waiting).toBe(0);
  });

  it.each<[string, (text: string) => string]>([
    ['relay', (text) => text.replace('192.0.2.1', '192.0.2.2')],
    ['relay', (text) => text.replace('51820', '51821')],
    [
      'relay_public_key',
      (text) => text.replace(/(relay_public_key = )".*"/, `$1"${encodeKey(new Uint8Array(32).fill(0x22))}"`),
    ],
    ['private_key_file', (text) => text.replace('client.key', 'other.key')],
    ['persistent_keepalive_seconds', (text) => `${text}persistent_keepalive_seconds = 5\n`],
    ['connect_timeout_seconds', (text) => `${text}connect_timeout_seconds = 5\n`],
    ['congestion', (text) => `${text}congestion = "cubic"\n`],
    ['memory_per_peer_mib', (text) => `${text}memory_per_peer_mib = 64\n`],
    ['metrics', (text) => `${text}metrics = 9100\n`],
    ['log.level', (text) => `${text}[log]\nlevel = "debug"\n`],
  ])('warns that a changed %s needs a restart', async (key, change) => {
    const { directory, log, follower } = scene([]);
    writeKeyFile(path.join(directory, 'other.key'), new Uint8Array(32).fill(0x50));
    const file = path.join(directory, 'client.toml');
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    await follower.reload();
    expect(log.fields.slice(1)).toEqual([{ event: 'restart-needed', keys: [key] }]);
    expect(log.lines[1]).toBe(`warn a changed ${key} takes effect only when the client is restarted`);
  });

  it('names the keys that need a restart', async () => {
    const { write, log, follower } = scene([]);
    write([], 'connect_timeout_seconds = 5\ncongestion = "cubic"\n');
    await follower.reload();
    expect(log.fields.at(-1)).toEqual({
      event: 'restart-needed',
      keys: ['connect_timeout_seconds', 'congestion'],
    });
    expect(log.lines.at(-1)).toBe(
      'warn a changed connect_timeout_seconds, congestion take effect only when the client is restarted',
    );
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
