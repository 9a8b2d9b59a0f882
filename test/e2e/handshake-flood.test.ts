/** A client connects although strangers who know the relay's public key flood it (docs/spec/handshake.md 5.3, 6). */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createPortableSuite } from '@underpass/protocol';
import { expect, it, onTestFinished } from 'vitest';
import { body, connect, readBytes, sha256, startEcho } from './tcp.js';
import { setUpRelay, startClient, startRelay } from './tunnel.js';

const SOURCES = 64;
/** The flood ends after this time even if no client gets in. */
const MAX_FORGED = 400_000;

/** Initiations with a valid mac1, which is all that a stranger can forge. */
function forgedInitiations(relayPublicKey: Uint8Array, count: number): Uint8Array[] {
  const suite = createPortableSuite();
  const key = suite.hash(new TextEncoder().encode('mac1----'), relayPublicKey);
  return Array.from({ length: count }, () => {
    const message = new Uint8Array(148);
    message.set(randomBytes(116));
    message.set([1, 0, 0, 0]);
    message.set(suite.mac(key, message.subarray(0, 116)), 116);
    return message;
  });
}

/** Sockets on different loopback addresses, of which Linux has 16 million. */
async function strangers(): Promise<Socket[]> {
  return await Promise.all(
    Array.from({ length: SOURCES }, async (_, i) => {
      const socket = createSocket('udp4');
      onTestFinished(() => void socket.close());
      socket.on('error', () => undefined);
      socket.bind(0, `127.1.0.${i + 1}`);
      await once(socket, 'listening');
      return socket;
    }),
  );
}

it.skipIf(process.platform !== 'linux')(
  'a new client connects during a flood of forged handshakes, and its bytes arrive intact',
  {
    timeout: 180_000,
  },
  async () => {
    const echo = await startEcho();
    const setup = setUpRelay([`127.0.0.1:${echo.port}`]);
    const relay = await startRelay(setup);
    const messages = forgedInitiations(Buffer.from(setup.relayKey.publicKey, 'base64'), 256);
    const sockets = await strangers();
    let answers = 0;
    for (const socket of sockets) socket.on('message', () => answers++);

    let forged = 0;
    let isOver = false;
    const flood = (async () => {
      while (!isOver && forged < MAX_FORGED) {
        for (const socket of sockets) {
          socket.send(messages[forged++ % messages.length] as Uint8Array, relay.port, '127.0.0.1');
        }
        await new Promise((resolve) => setTimeout(resolve, 4));
      }
    })();
    try {
      const client = await startClient(setup, relay.port, [`0:127.0.0.1:${echo.port}`]);
      await client.program.event('connected');
      const socket = await connect(client.ports[0] ?? 0);
      const sent = body(500_000, 1);
      socket.write(sent);
      expect(sha256(await readBytes(socket, sent.length))).toBe(sha256(sent));
      expect(client.program.exit).toBeUndefined();
    } finally {
      isOver = true;
      await flood;
    }
    expect(relay.program.exit).toBeUndefined();
    // The flood received cookies, and fewer answers than it sent messages.
    expect(forged).toBeGreaterThan(1000);
    expect(answers).toBeGreaterThan(0);
    expect(answers).toBeLessThan(forged);
  },
);
