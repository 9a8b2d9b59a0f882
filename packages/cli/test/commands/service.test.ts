/** `underpass service`: which service its arguments mean, and what it finds out for it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runInstall, runUninstall } from '../../src/commands/service.js';
import { ExitCode } from '../../src/exit-code.js';
import type { Machine } from '../../src/service/machine.js';
import { machineIn } from '../service/machine-of-tests.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { recordPrinted } from './printed.js';

const stage = vi.hoisted(() => ({ done: [] as unknown[][], machine: undefined as unknown }));
vi.mock('../../src/service/machine.js', async (original) => ({
  ...(await original<object>()),
  thisMachine: () => stage.machine,
}));
vi.mock('../../src/service/plan.js', async (original) => ({
  ...(await original<object>()),
  planInstall: (role: unknown, isUser: unknown) => ({ role, isUser }),
  planUninstall: (target: unknown, isUser: unknown) => ({ target, isUser }),
}));
vi.mock('../../src/service/install.js', () => ({
  install: (...parameters: unknown[]) => stage.done.push(['install', ...parameters]),
  uninstall: (...parameters: unknown[]) => stage.done.push(['uninstall', ...parameters]),
}));
vi.mock('../../src/service/client-facts.js', () => ({
  clientFacts: (file: string, isSystem: boolean) => ({ file, isSystem }),
}));

let directory = '';
let own = '';
let printed: () => string[];
const onMachine = (parts: Partial<Machine>) => {
  stage.machine = { ...machineIn(directory), configDirectory: own, ...parts };
};
beforeEach(() => {
  directory = temporaryDirectory();
  own = path.join(directory, 'underpass');
  mkdirSync(path.join(own, 'relays'), { recursive: true });
  vi.stubEnv('XDG_CONFIG_HOME', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  stage.done.length = 0;
  onMachine({ isRoot: true });
  printed = recordPrinted(false);
});

/** The result of the only call. */
function done() {
  const [[what, plan, execution] = [], ...more] = stage.done.splice(0);
  expect(more).toEqual([]);
  return { what, ...(plan as { role: unknown; target: unknown; isUser: unknown }), execution };
}

describe('underpass service', () => {
  it('is for the system if root calls it, and else for the user, unless it is said', async () => {
    const isUser = async (isRoot: boolean, flags: object) => {
      onMachine({ isRoot });
      await runInstall('relay', undefined, flags);
      const { isUser: planned, execution } = done();
      expect(execution).toMatchObject({ isUser: planned, machine: stage.machine });
      return planned;
    };
    expect(await isUser(true, {})).toBe(false);
    expect(await isUser(true, { user: true })).toBe(true);
    expect(await isUser(false, {})).toBe(true);
    expect(await isUser(false, { user: false })).toBe(false);
  });

  it('writes nothing for --dry-run', async () => {
    for (const [flags, dryRun] of [
      [{}, false],
      [{ dryRun: true }, true],
    ] as const) {
      await runInstall('relay', undefined, flags);
      expect(done()).toMatchObject({ what: 'install', execution: { dryRun } });
      await runUninstall('client', 'vps', flags);
      expect(done()).toMatchObject({
        what: 'uninstall',
        execution: { dryRun },
        target: { kind: 'client', name: 'vps' },
      });
    }
  });

  it('runs a client with its saved config, or with that of --config', async () => {
    const saved = path.join(own, 'relays', 'vps.toml');
    writeFileSync(saved, '');
    await runInstall('client', 'vps', {});
    expect(done().role).toEqual({
      kind: 'client',
      name: 'vps',
      client: { file: saved, isSystem: true },
      isSaved: true,
    });
    await runInstall('client', 'home', { config: '/etc/home.toml', user: true });
    expect(done().role).toEqual({
      kind: 'client',
      name: 'home',
      client: { file: '/etc/home.toml', isSystem: false },
      isSaved: false,
    });
    await expect(runInstall('client', 'home', {})).rejects.toThrow('home');
  });

  it('runs a relay with the port of its config, if it has one', async () => {
    await runInstall('relay', undefined, { user: true });
    expect(done().role).toEqual({ kind: 'relay', config: undefined, port: undefined });
    writeFileSync(path.join(own, 'relay.toml'), 'listen = "192.0.2.1:4000"\n');
    await runInstall('relay', undefined, { user: true, config: 'a.toml' });
    expect(done().role).toEqual({ kind: 'relay', config: path.resolve('a.toml'), port: 4000 });
    writeFileSync(path.join(own, 'relay.toml'), 'metrics = 1\n');
    await runInstall('relay', undefined, { user: true });
    expect(done().role).toEqual({ kind: 'relay', config: undefined, port: undefined });
    expect(printed()).toEqual([]);
  });

  it("says that a service of the system does not use this user's relay", async () => {
    await runInstall('relay', undefined, {});
    expect(printed()).toEqual([]);
    writeFileSync(path.join(own, 'relay.toml'), 'listen = "4000"\n');
    stage.done.length = 0;
    await runInstall('relay', undefined, {});
    expect(done().role).toEqual({ kind: 'relay', config: undefined, port: undefined });
    expect(printed()).toEqual([
      expect.stringMatching(
        /^out \nThis user has a relay of its own in .*underpass, which the service does not use: it makes a new key\.\nTo keep the old key, copy that directory to \/var\/lib\/underpass\/\.config\/ before you start it/,
      ),
    ]);
    await runInstall('relay', undefined, { dryRun: true });
    await runInstall('relay', undefined, { user: true });
    writeFileSync(path.join(own, 'relays', 'vps.toml'), '');
    await runInstall('client', 'vps', {});
    expect(printed()).toEqual([]);
  });

  it.each([
    ['relay', 'vps', "a relay's service has no name, but got 'vps'", 'run: underpass service install relay'],
    ['client', undefined, 'no relay is given for the client', 'give the name that'],
    ['client', '../x', "'../x' is not the name of a relay", 'give the name that'],
    ['client', 'a'.repeat(65), 'is not the name of a relay', 'give the name that'],
    [
      'server',
      undefined,
      "a service runs a relay or a client, but got 'server'",
      'underpass service install --help',
    ],
  ])('refuses %s %s', async (kind, name, message, hint) => {
    for (const run of [runInstall, runUninstall]) {
      await expect(run(kind, name, {})).rejects.toMatchObject({
        exitCode: ExitCode.usage,
        message: expect.stringContaining(message),
        hint: expect.stringContaining(hint),
      });
    }
    expect(stage.done).toEqual([]);
  });
});
