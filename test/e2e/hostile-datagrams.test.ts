/** Datagrams that do not authenticate have no effect and get no answer (docs/spec/wire.md 2.1, session.md 4). */
import { setInterval as each } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { MeddlingProxy } from './meddling-proxy.js';
import { body, connect, readBytes, sha256, startEcho } from './tcp.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

const PER_SECOND = 200;
const SECONDS = 30;
/** The transfer goes on all the time, but leaves the processor to others. */
const CHUNK_BYTES = 200_000;
const CHUNK_INTERVAL_MS = 100;

it('answers none of 200 bad datagrams a second at both sockets for 30 s, and the transfer stays intact', {
  timeout: 300_000,
}, async () => {
  const echo = await startEcho();
  const setup = setUpRelay([`127.0.0.1:${echo.port}`]);
  const relay = await startRelay(setup);
  const proxy = await MeddlingProxy.start(relay.port);
  const client = await startClient(setup, proxy.port, [`0:127.0.0.1:${echo.port}`]);
  const socket = await connect(client.ports[0] ?? 0);

  const wanted = 2 * PER_SECOND * SECONDS;
  const timer = setInterval(() => proxy.inject(), 1000 / PER_SECOND);
  try {
    let round = 0;
    for await (const _ of each(CHUNK_INTERVAL_MS)) {
      if (proxy.injected >= wanted) break;
      const sent = body(CHUNK_BYTES, round++);
      socket.write(sent);
      expect(sha256(await readBytes(socket, sent.length))).toBe(sha256(sent));
    }
  } finally {
    clearInterval(timer);
  }

  expect(proxy.answersToStrangers).toBe(0);
  // One handshake, and perhaps one more after a moment of silence. The 12,000 bad datagrams caused none.
  expect(proxy.handshakeMessages).toBeLessThanOrEqual(6);
  expect(client.program.events.filter(({ level }) => level === 'error')).toEqual([]);
  expect(client.program.exit).toBeUndefined();
  expect(relay.program.exit).toBeUndefined();
});
