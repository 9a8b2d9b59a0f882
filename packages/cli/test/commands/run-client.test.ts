import { describe, expect, it } from 'vitest';
import { optionsOf } from '../../src/commands/run-client.js';
import type { ClientConfig } from '../../src/config/client-config.js';

const CONFIG: ClientConfig = {
  relay: { host: 'vpn.example.org', port: 51820 },
  relayPublicKey: new Uint8Array(32).fill(1),
  privateKey: new Uint8Array(32).fill(2),
  publicKey: new Uint8Array(32).fill(3),
  presharedKey: new Uint8Array(32).fill(4),
  persistentKeepaliveSeconds: 25,
  connectTimeoutSeconds: 30,
  forwards: [],
  congestion: 'cubic',
  memoryPerPeerBytes: 64 * 1024 * 1024,
  metrics: undefined,
  logLevel: undefined,
};

describe('the options of a client', () => {
  it('are those of its config, with times in milliseconds', () => {
    expect(optionsOf(CONFIG)).toEqual({
      relay: CONFIG.relay,
      relayPublicKey: CONFIG.relayPublicKey,
      privateKey: CONFIG.privateKey,
      presharedKey: CONFIG.presharedKey,
      forwards: [],
      persistentKeepaliveMs: 25_000,
      contactLimitMs: 30_000,
      congestion: 'cubic',
      memoryPerPeerBytes: 67_108_864,
    });
  });

  it('leave to the client what the config does not state', () => {
    const options = optionsOf({
      ...CONFIG,
      presharedKey: undefined,
      congestion: undefined,
      memoryPerPeerBytes: undefined,
      connectTimeoutSeconds: 0,
    });
    expect(options.contactLimitMs).toBe(0);
    for (const key of ['presharedKey', 'congestion', 'memoryPerPeerBytes'])
      expect(options).not.toHaveProperty(key);
  });
});
