/** Relay and client may use different crypto suites, and each can be forced. */
import { loadOpenSsl, loadSodium, SUITE_NAMES } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { runUnderpass } from './running-program.js';
import { body, connect, readAll, sha256, startTarget } from './tcp.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

/** Those whose packages are installed. */
const NAMES = SUITE_NAMES.filter(
  (name) =>
    (name !== 'openssl' || loadOpenSsl() !== undefined) && (name !== 'sodium' || loadSodium() !== undefined),
);

describe('--suite', () => {
  it.each(NAMES.map((name, i) => [name, NAMES[(i + 1) % NAMES.length] as string] as const))(
    'a relay with %s and a client with %s carry the same bytes',
    async (relaySuite, clientSuite) => {
      const bytes = body(1024 * 1024, 1);
      const { port } = await startTarget((socket) => void socket.end(bytes));
      const target = `127.0.0.1:${port}`;
      const setup = setUpRelay([target]);
      const relay = await startRelay(setup, 0, ['--suite', relaySuite]);
      const client = await startClient(setup, relay.port, [`0:${target}`], ['--suite', clientSuite]);
      expect(sha256(await readAll(await connect(client.ports[0] ?? 0)))).toBe(sha256(bytes));

      const { relays, clients } = JSON.parse((await runUnderpass(['status', '--json'])).stdout);
      expect([relays[0].suite, clients[0].suite]).toEqual([relaySuite, clientSuite]);
      expect(await client.program.event('suite')).toMatchObject({ suite: clientSuite });
    },
  );

  it('names the suites that there are', async () => {
    const { code, lines } = await runUnderpass(['relay', '--suite', 'aes']);
    expect(code).toBe(2);
    expect(lines.join()).toContain('openssl, sodium, wasm, node, portable');
  });
});
