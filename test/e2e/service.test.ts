/** The units that `underpass service` writes, judged by systemd's own tools. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { installed } from './installed.js';
import { runUnderpass } from './running-program.js';
import { temporaryDirectory } from './temporary-directory.js';
import { newKey } from './tunnel.js';

const analyze = installed('systemd-analyze');
/** systemd rates exposure from 0 to 100; up to 20 it calls a service 'OK'. An ordinary service has 96. */
const MAX_EXPOSURE = 20;

/** Writes the units that a dry run prints. @returns the path of each, by its name */
function unitsIn(stdout: string): Map<string, string> {
  const directory = temporaryDirectory();
  const units = new Map<string, string>();
  for (const [, name, text] of stdout.matchAll(
    /^# \/\S+\/(\S+\.service)\n([\s\S]*?)(?=^# \/|$(?![\s\S]))/gm,
  )) {
    const file = path.join(directory, name as string);
    writeFileSync(file, text as string);
    units.set(name as string, file);
  }
  return units;
}

/** On a machine whose user has a relay already. */
function dryRun() {
  const home = temporaryDirectory();
  mkdirSync(path.join(home, 'underpass'), { mode: 0o700 });
  writeFileSync(path.join(home, 'underpass', 'relay.toml'), '', { mode: 0o600 });
  return runUnderpass(['service', 'install', 'relay', '--dry-run'], {
    environment: { XDG_CONFIG_HOME: home },
  });
}

async function relayUnit(): Promise<string> {
  const { code, stdout } = await dryRun();
  expect(code).toBe(0);
  return unitsIn(stdout).get('underpass-relay.service') as string;
}

/** A client config as `underpass client LINK` saves it. @returns the environment in which it is found */
function enrolledClient(): NodeJS.ProcessEnv {
  const home = temporaryDirectory();
  const relays = path.join(home, 'underpass', 'relays');
  mkdirSync(relays, { recursive: true, mode: 0o700 });
  newKey(relays, 'home');
  const { publicKey } = newKey(relays, 'relay');
  const config = `relay = "192.0.2.1:51820"\nrelay_public_key = "${publicKey}"\nprivate_key_file = "home.key"\nlocal_forwards = ["8080:localhost:80"]\n`;
  writeFileSync(path.join(relays, 'home.toml'), config, { mode: 0o600 });
  return { XDG_CONFIG_HOME: home };
}

describe('underpass service install', () => {
  it('prints the files and nothing else in a dry run', async () => {
    const { code, stdout } = await dryRun();
    expect(code).toBe(0);
    expect(
      stdout.split('\n').filter((line) => !/^(?:# .*|u underpass .*|\[\w+\]|\w+=.*|)$/.test(line)),
    ).toEqual([]);
  });

  it.skipIf(analyze === undefined)(
    'writes units in which systemd finds no mistake (needs systemd)',
    async () => {
      const options = { environment: enrolledClient() };
      const { stdout } = await runUnderpass(['service', 'install', 'client', 'home', '--dry-run'], options);
      const units = [await relayUnit(), unitsIn(stdout).get('underpass-client-home.service') as string];
      for (const unit of units) {
        const { status, stderr } = spawnSync(analyze as string, ['verify', '--man=no', unit], {
          encoding: 'utf8',
        });
        expect({
          status,
          complaints: stderr.split('\n').filter((line) => line.includes('underpass')),
        }).toEqual({
          status: 0,
          complaints: [],
        });
      }
    },
  );

  it.skipIf(analyze === undefined || process.geteuid?.() !== 0)(
    "writes units of the system that systemd rates as 'OK' (needs systemd and root)",
    async () => {
      const options = ['security', '--offline=yes', `--threshold=${MAX_EXPOSURE}`];
      const { status, stdout } = spawnSync(analyze as string, [...options, await relayUnit()], {
        encoding: 'utf8',
      });
      expect({ status, stdout: status === 0 ? '' : stdout }).toEqual({ status: 0, stdout: '' });
    },
  );

  it('says which relays are known if the name is wrong', async () => {
    const options = { environment: enrolledClient() };
    const { code, lines } = await runUnderpass(
      ['service', 'install', 'client', 'hone', '--dry-run'],
      options,
    );
    expect(code).toBe(3);
    expect(lines).toEqual([expect.stringMatching(/no relay named hone: did you mean home\?$/)]);
  });

  it('says what it expects if neither relay nor client is named', async () => {
    const { code, lines } = await runUnderpass(['service', 'install', 'router']);
    expect(code).toBe(2);
    expect(lines).toEqual([expect.stringContaining("got 'router'")]);
  });
});
