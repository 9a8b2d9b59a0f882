import { readdirSync } from 'node:fs';
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

  it('is refused for a file that is neither', () => {
    expect(() => plan([])).toThrow('wg0.conf is neither');
    expect(() => plan([{ ...bare, endpoint }, bare])).toThrow('several peers, and some have an Endpoint');
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
