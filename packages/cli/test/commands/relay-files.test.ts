import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { listenRules, readRelayFiles, requireStored } from '../../src/commands/relay-files.js';
import { ExitCode } from '../../src/exit-code.js';
import { NOW } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { relayFilesWith } from './a-relay.js';

const machine = vi.hoisted(() => ({ hasService: false }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const existsSync = (file: string) =>
    file === '/etc/systemd/system/underpass-relay.service' ? machine.hasService : fs.existsSync(file);
  return { ...fs, existsSync };
});

describe('the rules of where a peer may listen', () => {
  it('are none without the option, and all in the order of the command line with it', () => {
    expect(listenRules(undefined, '--listen')).toEqual([]);
    const rules = listenRules(['[::1]:8080', '*:9000-9010'], '--listen');
    expect(rules.map(({ text }) => text)).toEqual(['[::1]:8080', '*:9000-9010']);
  });

  it('are refused with the option and the reason if one of them is none, wherever it stands', () => {
    for (const texts of [['nonsense'], ['localhost:8080', 'nonsense'], ['nonsense', 'localhost:8080']]) {
      expect(() => listenRules(texts, '--allow-listen')).toThrow(
        expect.objectContaining({
          exitCode: ExitCode.usage,
          message: expect.stringMatching(/^--allow-listen: .*nonsense/),
        }),
      );
    }
  });
});

describe('the files of a relay', () => {
  it('are read together, without a secret left in memory', () => {
    const file = relayFilesWith(NOW, 'name = "home"\n');
    const { config, store, stored } = readRelayFiles(file);
    expect([config.name, store]).toEqual(['home', file.replace(/toml$/, 'd')]);
    expect(config.peers.map(({ name }) => name)).toEqual(['server', 'phone']);
    expect(stored.map(({ name, enrolled }) => [name, enrolled !== undefined]).sort()).toEqual([
      ['laptop', false],
      ['phone', true],
    ]);
    const secrets = [
      config.privateKey,
      ...config.peers.map(({ presharedKey }) => presharedKey),
      ...stored.flatMap(({ invite, enrolled }) => [invite.presharedKey, enrolled?.presharedKey]),
    ].filter((key) => key !== undefined);
    expect(secrets).toHaveLength(5);
    for (const secret of secrets) expect(secret).toEqual(new Uint8Array(32));
  });

  it('may be missing', () => {
    const file = `${temporaryDirectory()}/relay.toml`;
    expect(() => readRelayFiles(file)).toThrow(
      expect.objectContaining({
        exitCode: ExitCode.config,
        message: `this user has no relay: ${file} does not exist`,
        hint: 'start one with underpass relay, or give its config with --config',
      }),
    );
  });

  it('may belong to the service of the system, whose user has to be asked', () => {
    machine.hasService = true;
    onTestFinished(() => {
      machine.hasService = false;
    });
    expect(() => readRelayFiles(`${temporaryDirectory()}/relay.toml`)).toThrow(
      expect.objectContaining({
        hint: "the system's relay belongs to the user underpass: run this as sudo -u underpass underpass …",
      }),
    );
  });

  it.each([
    [
      'server',
      /^server is a \[\[peer\]\] of .*relay\.toml, which no command changes$/,
      /^edit the file and reload the relay: kill -HUP/,
    ],
    ['lapotp', /^no peer or invite is named lapotp$/, /^did you mean laptop\?$/],
    ['router', /^no peer or invite is named router$/, /^underpass peers lists them$/],
  ])('have no %s that a command could change', (name, message, hint) => {
    const files = readRelayFiles(relayFilesWith(NOW));
    expect(() => requireStored(files, name)).toThrow(
      expect.objectContaining({
        exitCode: ExitCode.failure,
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      }),
    );
    expect(requireStored(files, 'phone').name).toBe('phone');
  });
});
