import {
  parseDynamicForward,
  parseLocalForwards,
  parseReverseForwards,
  parseUdpForwards,
} from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { clientWords } from '../../src/check/config-words.js';
import type { ClientConfig } from '../../src/config/client-config.js';

describe('a reverse forward in words', () => {
  it.each([
    [
      '8080:localhost:3000',
      "from port 8080 at the relay (for programs of the relay's machine only) to localhost:3000 as this machine sees it",
    ],
    [
      '*:0:/run/app.sock',
      "from a port that the relay chooses at the relay (for everybody who reaches the relay's machine) to unix:/run/app.sock as this machine sees it",
    ],
    [
      '/run/web.sock:localhost:80',
      "from the unix socket /run/web.sock of the relay's machine to localhost:80 as this machine sees it",
    ],
  ])('%s leads %s', (text, words) => {
    const forwards = parseReverseForwards(text);
    const config = {
      relay: { host: 'vps', port: 51_820 },
      relayPublicKey: new Uint8Array(32),
      publicKey: new Uint8Array(32),
      forwards,
    } as unknown as ClientConfig;
    expect(clientWords(config).at(-1)).toBe(`  ${text}: ${words}`);
  });
});

describe('a client in words', () => {
  const words = (more: object) =>
    clientWords({
      relay: { host: 'vps', port: 51_820 },
      relayPublicKey: new Uint8Array(32),
      publicKey: new Uint8Array(32),
      forwards: [],
      ...more,
    } as unknown as ClientConfig);

  it('names its relay, its keys and where it serves metrics', () => {
    expect(words({})).toEqual([
      `The client connects to vps:51820, whose public key must be ${'A'.repeat(43)}=.`,
      `Its own public key is ${'A'.repeat(43)}=, without a preshared key.`,
      'It forwards nothing of its own: give forwards on the command line.',
    ]);
    const [, keys, metrics] = words({ presharedKey: new Uint8Array(32), metrics: { port: 9586 } });
    expect(keys).toContain(', with a preshared key.');
    expect(metrics).toBe('It serves metrics at localhost:9586.');
  });

  it.each([
    [
      parseLocalForwards('8080:db:5432'),
      'from port 8080 (for programs of this machine only) to db:5432 as the relay sees it',
    ],
    [
      parseLocalForwards('192.0.2.1:0:db:5432'),
      'from a free port (at 192.0.2.1) to db:5432 as the relay sees it',
    ],
    [
      parseLocalForwards('/run/db.sock:db:5432'),
      'from the unix socket /run/db.sock of this machine to db:5432 as the relay sees it',
    ],
    [
      parseUdpForwards('*:5353:dns:53'),
      'from UDP port 5353 (for everybody who reaches this machine) to dns:53/udp as the relay sees it',
    ],
    [
      [parseDynamicForward('1080')],
      'from port 1080 (for programs of this machine only) to the target that a program asks for, by SOCKS or HTTP',
    ],
  ])('%# says what a forward does', (forwards, text) => {
    const lines = words({ forwards });
    expect(lines.at(-2)).toBe('What it may reach is for the relay to decide. It forwards');
    expect(lines.at(-1)).toContain(`: ${text}`);
  });
});
