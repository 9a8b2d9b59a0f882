/** `--key-log` writes lines that Wireshark reads, in a file that only its owner can read. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

describe('--key-log', () => {
  it('writes the secrets of the handshake on both sides, with mode 0600 and a warning', async () => {
    const setup = setUpRelay([]);
    const relayLog = path.join(setup.directory, 'relay.keylog');
    const clientLog = path.join(setup.directory, 'client.keylog');
    const relay = await startRelay(setup, 0, ['--key-log', relayLog]);
    const client = await startClient(setup, relay.port, ['0:localhost:80'], ['--key-log', clientLog]);
    await client.program.event('connected');
    await relay.program.event('peer-connected');
    for (const [{ program }, file] of [
      [relay, relayLog],
      [client, clientLog],
    ] as const) {
      expect(await program.event('key-log')).toMatchObject({ level: 'warn', file });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
      for (const line of lines) {
        expect(line).toMatch(
          /^(LOCAL_STATIC_PRIVATE_KEY|REMOTE_STATIC_PUBLIC_KEY|LOCAL_EPHEMERAL_PRIVATE_KEY|PRESHARED_KEY) = [A-Za-z0-9+/]{43}=$/,
        );
      }
      expect(lines.some((line) => line.startsWith('LOCAL_EPHEMERAL_PRIVATE_KEY'))).toBe(true);
    }
    const secrets = readFileSync(clientLog, 'utf8').match(/PRIVATE_KEY = (\S+)/g) ?? [];
    for (const secret of secrets) {
      expect(client.program.transcript()).not.toContain(secret.replace('PRIVATE_KEY = ', ''));
    }
  });
});
