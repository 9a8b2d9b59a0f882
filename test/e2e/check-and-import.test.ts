/** `underpass check` and `underpass import`, as a user who comes from WireGuard runs them. */
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runUnderpass } from './running-program.js';
import { temporaryDirectory } from './temporary-directory.js';
import { newKey, setUpRelay } from './tunnel.js';

describe('underpass check', () => {
  it('says in words what a config of a relay means', async () => {
    const { config, clientKey } = setUpRelay(['localhost:80', '*.example.org:443']);
    const { code, stdout, lines } = await runUnderpass(['check', '--config', config]);
    expect({ code, lines }).toEqual({ code: 0, lines: [] });
    expect(stdout).toContain(`${config}: no mistakes\n`);
    expect(stdout).toContain(
      `laptop (public key ${clientKey.publicKey.slice(0, 8)}…, no preshared key) may reach\n`,
    );
    expect(stdout).toContain("  localhost:80: the relay's own machine (localhost), on port 80\n");
    expect(stdout).toContain('every name below example.org, not example.org itself, on port 443');
  });

  it('shows every mistake with its line, and fails', async () => {
    const { config } = setUpRelay([]);
    writeFileSync(
      config,
      `${readFileSync(config, 'utf8')}\n[[peer]]\nname = "a b"\npublic_key = "x"\nallow = []\n`,
    );
    const { code, stdout, lines } = await runUnderpass(['check', '--config', config]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/relay\.toml:\d+: peer\./);
  });

  it('says that it cannot tell whose config it is, and that there is none', async () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'x.toml');
    writeFileSync(file, '');
    const empty = await runUnderpass(['check', '--config', file]);
    expect(empty.lines).toEqual([expect.stringContaining('expected either listen or relay')]);
    const none = await runUnderpass(['check'], { environment: { XDG_CONFIG_HOME: directory } });
    expect(none).toMatchObject({ code: 3, lines: [expect.stringContaining('there is no config in')] });
  });
});

describe('underpass import', () => {
  it("writes a client's config, which check then explains, and tells what it left out", async () => {
    const directory = temporaryDirectory();
    const environment = { XDG_CONFIG_HOME: directory };
    const client = newKey(directory, 'client');
    const relay = newKey(directory, 'relay');
    const file = path.join(directory, 'wg0.conf');
    const key = readFileSync(client.file, 'utf8').trim();
    const text = `[Interface]\nPrivateKey = ${key}\nAddress = 10.0.0.2/32\n\n[Peer]\nPublicKey = ${relay.publicKey}\nAllowedIPs = 0.0.0.0/0\nEndpoint = 192.0.2.1:51820\n`;
    writeFileSync(file, text, { mode: 0o600 });

    const imported = await runUnderpass(['import', file, '--as', 'vps'], { environment });
    expect({ code: imported.code, lines: imported.lines }).toEqual({ code: 0, lines: [] });
    expect(imported.stdout).toContain('Not copied, because it has no meaning here: Address, AllowedIPs.');
    expect(imported.stdout).not.toContain(key);
    const saved = path.join(directory, 'underpass', 'relays');
    for (const name of ['vps.toml', 'vps.key']) {
      expect(statSync(path.join(saved, name)).mode & 0o777).toBe(0o600);
    }
    const { stdout } = await runUnderpass(['check'], { environment });
    expect(stdout).toContain(`connects to 192.0.2.1:51820, whose public key must be ${relay.publicKey}.`);
    expect(stdout).toContain(`Its own public key is ${client.publicKey}`);

    const again = await runUnderpass(['import', file, '--as', 'vps'], { environment });
    expect(again).toMatchObject({ code: 3, lines: [expect.stringContaining('nothing is replaced')] });
  });

  it("writes a relay's config, and refuses a file that others can read", async () => {
    const directory = temporaryDirectory();
    const relay = newKey(directory, 'relay');
    const client = newKey(directory, 'client');
    const file = path.join(directory, 'wg0.conf');
    const key = readFileSync(relay.file, 'utf8').trim();
    writeFileSync(
      file,
      `[Interface]\nPrivateKey=${key}\nListenPort=443\n# laptop\n[Peer]\nPublicKey=${client.publicKey}\n`,
      {
        mode: 0o644,
      },
    );
    const config = path.join(directory, 'new', 'relay.toml');
    const open = await runUnderpass(['import', file, '--config', config]);
    expect(open).toMatchObject({
      code: 3,
      lines: [expect.stringContaining('is open to other users (mode 0644)')],
    });

    chmodSync(file, 0o600);
    const imported = await runUnderpass(['import', file, '--config', config]);
    expect(imported.stdout).toContain('each peer may reach nothing yet');
    const { stdout } = await runUnderpass(['check', '--config', config]);
    expect(stdout).toContain('listens on UDP port 443');
    expect(stdout).toContain('laptop (public key');
    expect(stdout).toContain('may reach nothing.');
  });
});
