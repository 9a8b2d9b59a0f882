/** When a target cannot be reached the local program sees a reset, and the client explains it in one line. */
import { describe, expect, it } from 'vitest';
import { closedPort, connect, howItEnds, readAll, startConnecting, startEcho } from './tcp.js';
import { startTunnel } from './tunnel.js';

describe('a connection to a target', () => {
  it('that refuses is reset, and both sides report it in one line', async () => {
    const port = await closedPort();
    const { client, relay } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`0:127.0.0.1:${port}`],
    });
    expect(await howItEnds(startConnecting(client.ports[0] ?? 0))).toBe('ECONNRESET');
    const refused = await client.program.event('refused');
    expect(refused).toMatchObject({
      level: 'warn',
      target: `127.0.0.1:${port}`,
      status: 'connection-refused',
    });
    expect(refused.msg).toContain(`127.0.0.1:${port}`);
    expect(refused.msg).not.toContain('\n');
    expect(await relay.program.event('refused')).toMatchObject({
      peer: 'laptop',
      status: 'connection-refused',
    });
    expect(client.program.events.filter((event) => event.level === 'warn')).toHaveLength(1);
  });

  it('that is not allowed is reset, and a later allowed one works', async () => {
    const allowed = await startEcho();
    const other = await startEcho();
    const { client, relay } = await startTunnel({
      allow: [`127.0.0.1:${allowed.port}`],
      forwards: [`0:127.0.0.1:${other.port}`, `0:127.0.0.1:${allowed.port}`],
    });
    expect(await howItEnds(startConnecting(client.ports[0] ?? 0))).toBe('ECONNRESET');
    expect(await client.program.event('refused')).toMatchObject({ status: 'not-allowed' });
    expect(await relay.program.event('refused')).toMatchObject({ status: 'not-allowed', level: 'warn' });
    const socket = await connect(client.ports[1] ?? 0);
    socket.end('still here');
    expect(String(await readAll(socket))).toBe('still here');
  });

  it('whose name does not exist is reset', async () => {
    const { client } = await startTunnel({
      allow: ['*.invalid:80'],
      forwards: ['0:no-such-host.invalid:80'],
    });
    expect(await howItEnds(startConnecting(client.ports[0] ?? 0))).toBe('ECONNRESET');
    expect(await client.program.event('refused')).toMatchObject({
      status: 'name-not-found',
      target: 'no-such-host.invalid:80',
    });
  });
});
