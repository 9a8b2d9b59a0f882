// node quinn-tunnel.mjs MODULE listen HOST TARGET-HOST TARGET-PORT   the far end; prints its UDP port
// node quinn-tunnel.mjs MODULE connect HOST PORT                     the near end; prints its TCP port on loopback
//
// Carries each TCP connection on a stream of one QUIC connection. Written here, because no well-known tunnel joins Node and
// quinn; the work per chunk is one read or write of the native module.

import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';

const CHUNK_BYTES = 256 * 1024;
const IPV4 = 0;

const [module, mode, host, ...rest] = process.argv.slice(2);
const { QuinnConfig, Server, Client } = createRequire(import.meta.url)(module);
const config = new QuinnConfig({
  shutdownTimeout: 1000,
  privateKeyProto: newIdentity(),
  handshakeTimeout: 5000,
  maxIdleTimeout: 60_000,
  keepAliveInterval: 5000,
  maxConcurrentStreamLimit: 20_000,
  maxStreamData: 10_000_000,
  maxConnectionData: 15_000_000,
  receiveBufferSize: 4_000_000,
  sendBufferSize: 4_000_000,
});
if (mode === 'listen') await listen(...rest);
else await forward(Number(rest[0]));

/** An Ed25519 key as libp2p writes it: the fields of a protobuf message, type 1 and 64 bytes. */
function newIdentity() {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const key = Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]);
  return Buffer.concat([Buffer.from([0x08, 1, 0x12, key.length]), key]);
}

async function listen(targetHost, targetPort) {
  const server = new Server(config, host, 0);
  process.stdout.write(`${server.port()}\n`);
  const connection = await server.inboundConnection();
  for (;;) {
    const stream = await connection.inboundStream();
    carry(connect({ host: targetHost, port: Number(targetPort), noDelay: true }), stream);
  }
}

async function forward(port) {
  const connection = await new Client(config, IPV4).outboundConnection(host, port);
  const server = createServer({ noDelay: true, pauseOnConnect: true }, async (socket) => {
    carry(socket, await connection.outboundStream());
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
}

function carry(socket, stream) {
  socket.on('error', () => socket.destroy());
  const end = () => {
    socket.destroy();
    // Either fails if that half has ended already.
    stream.resetWrite().catch(() => undefined);
    stream.stopRead().catch(() => undefined);
  };
  carryToStream(socket, stream).catch(end);
  carryToSocket(stream, socket).catch(end);
}

async function carryToStream(socket, stream) {
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) await stream.write(chunk);
  await stream.finishWrite();
}

async function carryToSocket(stream, socket) {
  for (;;) {
    const chunk = await stream.read(CHUNK_BYTES);
    if (chunk === null || chunk === undefined) break;
    if (socket.destroyed) throw new Error('the socket is closed');
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
  socket.end();
}
