import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { writePlan } from '../../src/commands/import.js';
import { planImport } from '../../src/import/import-plan.js';
import type { WireguardPeer } from '../../src/import/wireguard-file.js';
import { encodeKey } from '../../src/key-text.js';
import { temporaryDirectory } from '../temporary-directory.js';

const privateKey = new Uint8Array(32).fill(0x48);
const publicKey = new Uint8Array(32).fill(0x21);
const presharedKey = new Uint8Array(32).fill(0x77);
const bare: WireguardPeer = {
  name: undefined,
  publicKey,
  presharedKey: undefined,
  endpoint: undefined,
  keepaliveSeconds: undefined,
};
const endpoint = { host: 'vpn.example.org', port: 51_820 };
const places = {
  source: 'wg0.conf',
  clientName: 'vps',
  clientDirectory: '/c/relays',
  relayConfig: '/c/relay.toml',
};
const plan = (peers: readonly WireguardPeer[], listenPort?: number) =>
  planImport({ privateKey, listenPort, peers, unused: [] }, places);

describe('importing a WireGuard file', () => {
  it("makes a client's config of one peer with an endpoint", () => {
    const { kind, config, keys } = plan([{ ...bare, endpoint, presharedKey, keepaliveSeconds: 25 }]);
    expect([kind, config.path]).toEqual(['client', '/c/relays/vps.toml']);
    expect(config.text).toContain(`relay = "vpn.example.org:51820"
relay_public_key = "${encodeKey(publicKey)}"
private_key_file = "vps.key"
preshared_key_file = "vps.psk"
persistent_keepalive_seconds = 25
`);
    expect(keys).toEqual([
      { path: '/c/relays/vps.key', key: privateKey },
      { path: '/c/relays/vps.psk', key: presharedKey },
    ]);
  });

  it("makes a relay's config of peers without endpoints, in which nobody may reach anything", () => {
    const { kind, config, keys } = plan([{ ...bare, name: 'laptop', presharedKey }, bare, bare], 443);
    expect([kind, config.path]).toEqual(['relay', '/c/relay.toml']);
    expect(config.text).toContain('listen = "443"\nprivate_key_file = "relay.key"\n');
    expect(config.text).toContain('AllowedIPs were not copied');
    expect(config.text.match(/^name = .*$/gm)).toEqual([
      'name = "laptop"',
      'name = "peer-2"',
      'name = "peer-3"',
    ]);
    expect(config.text.match(/^allow = .*$/gm)).toEqual(['allow = []', 'allow = []', 'allow = []']);
    expect(keys.map(({ path }) => path)).toEqual(['/c/relay.key', '/c/laptop.psk']);
  });

  it('gives each peer a name of its own', () => {
    const { config } = plan([
      { ...bare, name: 'peer-2' },
      { ...bare, name: 'peer-2' },
      { ...bare, name: 'a' },
      { ...bare, name: 'a' },
    ]);
    const names = config.text.match(/^name = .*$/gm) ?? [];
    expect(new Set(names).size).toBe(4);
  });

  it('has no line and no file for what the WireGuard file does not have', () => {
    const client = plan([{ ...bare, endpoint }]);
    expect(client.config.text).not.toMatch(/preshared|keepalive|undefined/);
    expect(client.keys).toEqual([{ path: '/c/relays/vps.key', key: privateKey }]);
    const relay = plan([bare, { ...bare, name: 'laptop', presharedKey }]);
    expect(relay.config.text).toContain('listen = "51820"');
    const [ofFirst, ofSecond] = relay.config.text.split('[[peer]]').slice(1);
    expect(ofFirst).toContain('name = "peer-1"');
    expect(ofFirst).not.toContain('preshared_key_file');
    expect(ofSecond).toContain('preshared_key_file = "laptop.psk"');
    expect(relay.config.text).not.toContain('undefined');
  });

  it('is refused for a file that is neither', () => {
    expect(() => plan([])).toThrow('wg0.conf is neither');
    expect(() => plan([{ ...bare, endpoint }, bare])).toThrow('several peers, and some have an Endpoint');
  });
});

describe('an import', () => {
  it.each(['a.key', 'a.toml'])('replaces nothing, and writes nothing beside it: %s', (existing) => {
    const directory = path.join(temporaryDirectory(), 'relays');
    mkdirSync(directory);
    writeFileSync(path.join(directory, existing), 'precious');
    const keys = [{ path: path.join(directory, 'a.key'), key: new Uint8Array(32).fill(0x42) }];
    const config = { path: path.join(directory, 'a.toml'), text: '' };
    expect(() => writePlan({ kind: 'client', config, keys })).toThrow(
      expect.objectContaining({
        message: `${path.join(directory, existing)} exists, and nothing is replaced`,
        hint: 'move it away, or give --as or --config',
      }),
    );
    expect(readdirSync(directory)).toEqual([existing]);
    expect(readFileSync(path.join(directory, existing), 'utf8')).toBe('precious');
  });

  it('makes its directory, which is for this user only, and says if it cannot', () => {
    const parent = temporaryDirectory();
    const place = (directory: string) => ({ path: path.join(directory, 'a.toml'), text: 'text' });
    const relays = path.join(parent, 'underpass', 'relays');
    writePlan({ kind: 'client', config: place(relays), keys: [] });
    expect(statSync(relays).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(relays, 'a.toml')).mode & 0o777).toBe(0o600);
    const file = path.join(relays, 'a.toml');
    expect(() => writePlan({ kind: 'client', config: place(path.join(file, 'b')), keys: [] })).toThrow(
      /^cannot write .*: /,
    );
  });
});

describe('an import that cannot be written', () => {
  it('leaves no keys behind, which would be in the way of the next attempt', () => {
    const directory = temporaryDirectory();
    const keys = ['a.key', 'a.psk'].map((name) => ({
      path: path.join(directory, name),
      key: new Uint8Array(32).fill(0x42),
    }));
    const config = { path: path.join(directory, `${'n'.repeat(300)}.toml`), text: '' };
    expect(() => writePlan({ kind: 'client', config, keys })).toThrow('ENAMETOOLONG');
    expect(readdirSync(directory)).toEqual([]);
    writePlan({ kind: 'client', config: { ...config, path: path.join(directory, 'a.toml') }, keys });
    expect(readdirSync(directory).sort()).toEqual(['a.key', 'a.psk', 'a.toml']);
  });
});
