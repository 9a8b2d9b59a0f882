/** A peer cannot reach the sockets of the relay's own program. */
import { symlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { howItEnds, startConnecting } from './tcp.js';
import { setUpRelay, startClient, startRelay, writeRelayConfig } from './tunnel.js';

describe('a relay', () => {
  it('refuses its control socket, although a rule names a link to it (spec forwarding 3.7: "MUST NOT connect a peer to a socket of its own")', async () => {
    const setup = setUpRelay([]);
    const link = path.join(setup.directory, 'link.sock');
    writeRelayConfig(setup, [`unix:${link}`]);
    const relay = await startRelay(setup, 0, ['--log-level', 'debug']);
    const { socket } = await relay.program.event('control');
    symlinkSync(String(socket), link);
    const client = await startClient(setup, relay.port, [`0:${link}`]);
    expect(await howItEnds(startConnecting(client.ports[0] ?? 0))).toBe('ECONNRESET');
    expect(await client.program.event('refused')).toMatchObject({
      status: 'not-allowed',
      target: `unix:${link}`,
    });
    expect((await relay.program.event('refused')).msg).toContain(`unix:${link} belongs to the relay itself`);
  });
});
