/** Connections of the web that outlive one request: HTTP/2 and WebSocket. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, request } from 'node:http';
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createServer as createHttp2Server,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DEADLINE_MS } from './deadline.js';
import { body, sha256 } from './tcp.js';
import { setUpRelay, startClient, startRelay, startTunnel } from './tunnel.js';

const STREAMS = 200;

describe('HTTP/2', () => {
  it(`carries ${STREAMS} streams at once over one connection of -L`, async () => {
    const port = await startHttp2();
    const { client, relay } = await startTunnel({
      allow: [`localhost:${port}`],
      forwards: [`0:localhost:${port}`],
    });
    await exchangeOnAllStreams(connectHttp2(`http://127.0.0.1:${client.ports[0]}`));
    expect(relay.program.events.filter(({ event }) => event === 'stream-opened')).toHaveLength(1);
  });

  it(`carries ${STREAMS} streams at once over one connection of -D`, async () => {
    const port = await startHttp2();
    const setup = setUpRelay([`localhost:${port}`]);
    const relay = await startRelay(setup);
    const { program } = await startClient(setup, relay.port, [], ['-D', '127.0.0.1:0']);
    const listening = await program.event('listening', (event) => event.kind === 'dynamic');
    const [{ port: proxy }] = listening.addresses as readonly [{ readonly port: number }];
    const socket = await connectThroughProxy(proxy, `localhost:${port}`);
    await exchangeOnAllStreams(connectHttp2(`http://localhost:${port}`, { createConnection: () => socket }));
    expect(relay.program.events.filter(({ event }) => event === 'stream-opened')).toHaveLength(1);
  });
});

describe('WebSocket', () => {
  it('echoes 1 MB in messages of all lengths, and ends cleanly', async () => {
    const port = await startWebSocketEcho();
    const { client } = await startTunnel({
      allow: [`localhost:${port}`],
      forwards: [`0:localhost:${port}`],
    });
    const socket = await openWebSocket(client.ports[0] as number);
    const messages = [1, 125, 126, 65_535, 65_536, 200_000, 668_676].map((length) => body(length, length));
    for (const message of messages) socket.write(frameOf(message, randomBytes(4)));
    const echoes: string[] = [];
    for await (const message of messagesOn(socket)) {
      echoes.push(sha256(message));
      if (echoes.length === messages.length) socket.end();
    }
    expect(echoes).toEqual(messages.map(sha256));
  });
});

/** Answers each request with the hash of its body, and with a body that depends on its path. */
async function startHttp2(): Promise<number> {
  const server = createHttp2Server();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    void buffer(stream).then((received) => {
      stream.respond({ 'x-received': sha256(received) });
      stream.end(answerTo(Number(headers[':path']?.slice(1))));
    });
  });
  onTestFinished(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  return listeningPort(server.listen(0, '127.0.0.1'));
}

const answerTo = (index: number): Buffer => body(1000 + 300 * index, index);

async function exchangeOnAllStreams(session: ClientHttp2Session): Promise<void> {
  onTestFinished(() => session.destroy());
  const exchange = async (index: number) => {
    const question = body(20_000, 1000 + index);
    const stream = session.request({ ':method': 'POST', ':path': `/${index}` });
    stream.end(question);
    const [headers] = (await once(stream, 'response')) as [Readonly<Record<string, unknown>>];
    expect(headers['x-received']).toBe(sha256(question));
    expect(sha256(await buffer(stream))).toBe(sha256(answerTo(index)));
  };
  await Promise.all(Array.from({ length: STREAMS }, (_, index) => exchange(index)));
}

/** Opens a connection to `target` by HTTP CONNECT. */
async function connectThroughProxy(port: number, target: string): Promise<Socket> {
  const asked = request({ method: 'CONNECT', host: '127.0.0.1', port, path: target }).end();
  const [response, socket] = await once(asked, 'connect', { signal: AbortSignal.timeout(DEADLINE_MS) });
  expect(response.statusCode).toBe(200);
  onTestFinished(() => void socket.destroy());
  return socket as Socket;
}

async function startWebSocketEcho(): Promise<number> {
  const server = createHttpServer();
  server.on('upgrade', (asked, socket, head) => {
    socket.on('error', () => undefined);
    socket.unshift(head);
    const accept = acceptOf(String(asked.headers['sec-websocket-key']));
    const headers = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`];
    socket.write(`${['HTTP/1.1 101 Switching Protocols', ...headers].join('\r\n')}\r\n\r\n`);
    void echoMessages(socket);
  });
  onTestFinished(() => void server.close());
  return listeningPort(server.listen(0, '127.0.0.1'));
}

async function echoMessages(socket: Duplex): Promise<void> {
  for await (const message of messagesOn(socket)) socket.write(frameOf(message));
  socket.end();
}

async function openWebSocket(port: number): Promise<Socket> {
  const key = randomBytes(16).toString('base64');
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': key,
    'sec-websocket-version': '13',
  };
  const asked = request({ host: '127.0.0.1', port, headers }).end();
  const [response, socket, head] = await once(asked, 'upgrade', {
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  onTestFinished(() => void socket.destroy());
  expect(response.headers['sec-websocket-accept']).toBe(acceptOf(key));
  socket.unshift(head);
  return socket as Socket;
}

/** How a server shows that it speaks WebSocket (RFC 6455, 4.2.2). */
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** Reads whole messages, each in one frame, until the other side ends. */
async function* messagesOn(socket: Duplex): AsyncGenerator<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    for (let frame = readFrame(bytes); frame !== undefined; frame = readFrame(bytes)) {
      yield frame.message;
      bytes = bytes.subarray(frame.length);
    }
  }
  expect(bytes).toHaveLength(0);
}

/** Reads the first frame (RFC 6455, 5.2), or returns undefined if it is not complete. */
function readFrame(bytes: Buffer) {
  if (bytes.length < 2) return undefined;
  const short = bytes.readUInt8(1) & 0x7f;
  const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
  const maskBytes = bytes.readUInt8(1) & 0x80 ? 4 : 0;
  const headerBytes = 2 + lengthBytes + maskBytes;
  if (bytes.length < headerBytes) return undefined;
  // Lengths in this test fit into the last 4 of the 8 bytes.
  const messageBytes =
    lengthBytes === 8 ? bytes.readUInt32BE(6) : lengthBytes === 2 ? bytes.readUInt16BE(2) : short;
  const length = headerBytes + messageBytes;
  if (bytes.length < length) return undefined;
  const mask = bytes.subarray(headerBytes - maskBytes, headerBytes);
  return { length, message: masked(bytes.subarray(headerBytes, length), mask) };
}

/** A message in one binary frame. */
function frameOf(message: Buffer, mask: Buffer = Buffer.alloc(0)): Buffer {
  const maskBit = mask.length > 0 ? 0x80 : 0;
  const header = Buffer.alloc(message.length < 126 ? 2 : message.length < 65_536 ? 4 : 10);
  header.writeUInt8(0x82, 0);
  header.writeUInt8(maskBit | (header.length === 2 ? message.length : header.length === 4 ? 126 : 127), 1);
  if (header.length === 4) header.writeUInt16BE(message.length, 2);
  if (header.length === 10) header.writeUInt32BE(message.length, 6);
  return Buffer.concat([header, mask, masked(message, mask)]);
}

function masked(message: Buffer, mask: Buffer): Buffer {
  if (mask.length === 0) return message;
  return Buffer.from(message.map((byte, index) => byte ^ (mask[index % 4] as number)));
}

async function listeningPort(server: {
  once: NodeJS.EventEmitter['once'];
  address(): unknown;
}): Promise<number> {
  await once(server as unknown as NodeJS.EventEmitter, 'listening');
  return (server.address() as AddressInfo).port;
}
