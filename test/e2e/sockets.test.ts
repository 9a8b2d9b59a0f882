/** Relay and client may use different kinds of UDP socket, and each can be forced. */
import { cLibrary, SOCKET_KINDS } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { runUnderpass } from './running-program.js';
import { body, connect, readAll, sha256, startTarget } from './tcp.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

const hasNative = cLibrary() !== undefined;
const KINDS = SOCKET_KINDS.filter((kind) => kind !== 'native' || hasNative);

describe('--socket', () => {
  it.each(KINDS.flatMap((relay) => KINDS.map((client) => [relay, client] as const)))(
    'a relay with a %s socket and a client with a %s one carry the same bytes',
    async (relayKind, clientKind) => {
      const bytes = body(4 * 1024 * 1024, 1);
      const { port } = await startTarget((socket) => void socket.end(bytes));
      const target = `127.0.0.1:${port}`;
      const setup = setUpRelay([target]);
      const relay = await startRelay(setup, 0, ['--socket', relayKind]);
      const client = await startClient(setup, relay.port, [`0:${target}`], ['--socket', clientKind]);
      expect(sha256(await readAll(await connect(client.ports[0] ?? 0)))).toBe(sha256(bytes));

      const { relays, clients } = JSON.parse((await runUnderpass(['status', '--json'])).stdout);
      expect([relays[0].socket, clients[0].socket]).toEqual([relayKind, clientKind]);
      expect(await client.program.event('socket')).toMatchObject({ socket: clientKind });
    },
  );

  it('names the kinds that there are', async () => {
    const { code, lines } = await runUnderpass(['relay', '--socket', 'fast']);
    expect(code).toBe(2);
    expect(lines.join()).toContain('native, plain');
  });
});
