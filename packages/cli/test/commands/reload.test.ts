import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { RelayPeerOptions } from '@underpass/relay';
import { silentLog } from '@underpass/runtime';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CliError } from '../../src/cli-error.js';
import { type RunningSettings, reload, reloadOnSignal } from '../../src/commands/reload.js';
import { loadRelayConfig, type RelayConfig } from '../../src/config/relay-config.js';
import { ExitCode } from '../../src/exit-code.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { addInvite } from '../../src/store/store-changes.js';
import { invite, rules } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { recordingLog } from './recording-log.js';

const PEER = `
[[peer]]
name = "alice"
public_key = "${encodeKey(publicKeyOf(new Uint8Array(32).fill(0x49)))}"
allow = []
`;
const START = 'listen = "51820"\nprivate_key_file = "relay.key"\n';

let file = '';
let running: RelayConfig;
const settings = (): RunningSettings => ({ atStart: running, name: undefined });
beforeEach(() => {
  const directory = temporaryDirectory();
  file = path.join(directory, 'relay.toml');
  writeKeyFile(path.join(directory, 'relay.key'), new Uint8Array(32).fill(0x48));
  writeKeyFile(path.join(directory, 'other.key'), new Uint8Array(32).fill(0x50));
  writeFileSync(file, START);
  running = loadRelayConfig(file);
});

/** Reloads a relay that runs with `START` after its config has changed to `text`; returns its log and calls. */
async function reloadWith(text: string | undefined) {
  if (text !== undefined) writeFileSync(file, text);
  const lines: { readonly event: unknown; readonly keys?: unknown; readonly message: string }[] = [];
  const add = (fields: object, message: string): void => void lines.push({ ...fields, message } as never);
  let peers: readonly { readonly name: string }[] | undefined;
  const relay = {
    setPeers: (list: readonly { readonly name: string }[]): void => {
      peers = list;
    },
  };
  await reloadOnSignal(relay, file, settings(), { ...silentLog, info: add, warn: add, error: add });
  return { lines, peers };
}

describe('a reload', () => {
  it('passes the new peers to the relay', async () => {
    const { lines, peers } = await reloadWith(START + PEER);
    expect(peers).toMatchObject([{ name: 'alice' }]);
    expect(lines.map(({ event }) => event)).toEqual(['reloaded']);
  });

  it.each([false, true])(
    'leaves no key in memory, whether the relay accepts the peers or not (throws: %s)',
    async (throws) => {
      const seen: Uint8Array[] = [];
      const relay = {
        setPeers: (peers: readonly RelayPeerOptions[]): void => {
          for (const { presharedKey } of peers) {
            if (presharedKey === undefined) continue;
            expect(presharedKey.some((byte) => byte !== 0)).toBe(true);
            seen.push(presharedKey);
          }
          if (throws) throw new CliError(ExitCode.config, 'no', '');
        },
      };
      writeFileSync(file, `${START}${PEER}preshared_key_file = "other.key"\n`);
      await reloadOnSignal(relay, file, settings(), silentLog);
      expect(seen.map((key) => encodeKey(key))).toEqual([encodeKey(new Uint8Array(32))]);
    },
  );

  it.each<[string, string]>([
    ['listen', START.replace('51820', '51821')],
    ['listen', START.replace('51820', '127.0.0.1:51820')],
    ['private_key_file', START.replace('relay.key', 'other.key')],
    ['congestion', `${START}congestion = "cubic"\n`],
    ['memory_per_peer_mib', `${START}memory_per_peer_mib = 64\n`],
    ['max_outage_hours', `${START}max_outage_hours = 1\n`],
    ['idle_timeout_minutes', `${START}idle_timeout_minutes = 1\n`],
    ['workers', `${START}workers = 2\n`],
    ['metrics', `${START}metrics = 9464\n`],
    ['log.level', `${START}[log]\nlevel = "debug"\n`],
  ])('warns that a changed %s needs a restart', async (key, text) => {
    const { lines } = await reloadWith(text);
    expect(lines[1]).toMatchObject({ event: 'restart-needed', keys: [key] });
    expect(lines[1]?.message).toBe(`a changed ${key} takes effect only when the relay is restarted`);
  });

  it('of a pipe is refused, because it would wait for a writer', async () => {
    rmSync(file);
    execFileSync('mkfifo', [file]);
    const { lines, peers } = await reloadWith(undefined);
    expect(peers).toBeUndefined();
    expect(lines[0]?.message).toBe(
      `not reloaded: ${file} is a pipe: only a config in a file can be read again`,
    );
  });

  it('of a config that is gone changes nothing and says so', async () => {
    rmSync(file);
    const { lines, peers } = await reloadWith(undefined);
    expect(peers).toBeUndefined();
    expect(lines.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^not reloaded: cannot read the config file .*: no such file or directory/),
    ]);
  });

  it('of an invalid config changes nothing and says why', async () => {
    const { lines, peers } = await reloadWith(`${START}lisen = 1\n`);
    expect(peers).toBeUndefined();
    expect(lines).toMatchObject([{ event: 'reload-failed' }]);
    expect(lines[0]?.message).toContain('relay.toml:3: lisen: unknown key');
  });
});

describe('a reload over the control socket', () => {
  const REFUSED = new CliError(ExitCode.config, 'no', '');

  it('answers with the number of peers and the keys that need a restart', async () => {
    const log = recordingLog();
    writeFileSync(file, START + PEER);
    const relay = { setPeers: () => undefined };
    expect(await reload(relay, file, settings(), log)).toEqual({ peers: 1, restartNeeded: [] });
    writeFileSync(file, `${START.replace('51820', '51821')}workers = 2\n`);
    expect(await reload(relay, file, settings(), log)).toEqual({
      peers: 0,
      restartNeeded: ['listen', 'workers'],
    });
    expect(log.lines).toEqual([
      `info reloaded ${file}: 1 peer`,
      `info reloaded ${file}: 0 peers`,
      'warn a changed listen, workers take effect only when the relay is restarted',
    ]);
    expect(log.fields[0]).toEqual({ event: 'reloaded', peers: 1 });
  });

  it('passes on what is wrong with the config, in words and in the log', async () => {
    const log = recordingLog();
    writeFileSync(file, `${START}lisen = 1\n`);
    const relay = { setPeers: () => expect.unreachable() };
    await expect(reload(relay, file, settings(), log)).rejects.toMatchObject({
      exitCode: ExitCode.config,
      message: expect.stringContaining('lisen: unknown key'),
    });
    expect(log.lines).toEqual([expect.stringMatching(/^error not reloaded: .*lisen: unknown key/)]);
  });

  it('answers when the workers have the peers, and not before', async () => {
    let haveIt = (): void => undefined;
    const workers = new Promise<void>((resolve) => {
      haveIt = resolve;
    });
    const log = recordingLog();
    const reloading = reload({ setPeers: () => workers }, file, settings(), log);
    await new Promise(setImmediate);
    expect(log.lines).toEqual([]);
    haveIt();
    expect(await reloading).toMatchObject({ peers: 0 });
    expect(log.lines).toEqual([`info reloaded ${file}: 0 peers`]);
  });

  it('fails if the workers do', async () => {
    const log = recordingLog();
    const reloading = reload({ setPeers: () => Promise.reject(REFUSED) }, file, settings(), log);
    await expect(reloading).rejects.toBe(REFUSED);
    expect(log.lines).toEqual(['error not reloaded: no']);
    expect(log.fields).toEqual([{ event: 'reload-failed' }]);
  });

  it('passes the invites to the relay too, and counts them beside the peers', async () => {
    const log = recordingLog();
    const store = path.join(path.dirname(file), 'relay.d');
    addInvite(store, 'laptop', { allow: rules('localhost:80') }, invite(Date.now() + 3_600_000));
    const setPeers = vi.fn();
    await reload({ setPeers }, file, settings(), log);
    expect(setPeers.mock.calls).toMatchObject([[[], [{ name: 'laptop' }]]]);
    expect(log.lines).toEqual([`info reloaded ${file}: 0 peers and 1 invite`]);
  });

  it('changes the name of the relay, before its workers learn of the peers, unless they are refused', async () => {
    const names: unknown[] = [];
    const state = settings();
    const reloadTo = (name: string, accept: () => void | Promise<void>) => {
      writeFileSync(file, `name = "${name}"\n${START}`);
      const setPeers = () => {
        names.push(state.name);
        return accept();
      };
      return reload({ setPeers }, file, state, silentLog);
    };
    const refuse = () => {
      throw REFUSED;
    };
    await reloadTo('one', () => undefined);
    await expect(reloadTo('two', refuse)).rejects.toBe(REFUSED);
    expect(state.name).toBe('one');
    await expect(reloadTo('three', () => Promise.reject(REFUSED))).rejects.toBe(REFUSED);
    expect([names, state.name]).toEqual([['one', 'two', 'three'], 'one']);
  });
});
