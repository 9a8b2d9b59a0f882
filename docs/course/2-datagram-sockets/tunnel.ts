/** Step 2: the same proxy in two halves, with UDP datagrams between them. It works until the network does what networks do.
 *
 *  A datagram: connection number (4 bytes), kind (1 byte), then bytes of the connection. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface Half {
  readonly port: number;
  close(): void;
}

const KIND = { data: 0, end: 1, reset: 2 } as const;
const HEADER_BYTES = 5;
/** Fits into one packet on nearly every path. A larger datagram is cut into fragments, and is lost if any of them is. */
export const MAX_DATAGRAM_BYTES = 1200;
const MAX_PIECE_BYTES = MAX_DATAGRAM_BYTES - HEADER_BYTES;

/** Accepts TCP connections and sends what they carry to the relay.
 *  @param port  of the TCP listener; 0 lets the system choose */
export async function startClient(relay: Place, port = 0): Promise<Half> {
  const udp = createSocket('udp4');
  const connections = new Map<number, Socket>();
  let nextNumber = 0;
  const server = createServer({ allowHalfOpen: true }, (visitor) => {
    const number = nextNumber++;
    connections.set(number, visitor);
    carry(visitor, number, (datagram) => udp.send(datagram, relay.port, relay.host));
    visitor.once('close', () => connections.delete(number));
  });
  udp.on('message', (datagram) => {
    const message = parse(datagram);
    const visitor = message && connections.get(message.number);
    if (visitor) deliver(visitor, message);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => closeAll(udp, connections, server) };
}

/** Receives the datagrams of clients and connects to the target for each new connection in them.
 *  @param port  of the UDP socket; 0 lets the system choose */
export async function startRelay(target: Place, port = 0): Promise<Half> {
  const udp = createSocket('udp4');
  const connections = new Map<string, Socket>();
  udp.on('message', (datagram, from) => {
    const message = parse(datagram);
    if (message === undefined) return;
    // Two clients may use the same number. What tells them apart is where they send from, for as long as that stays.
    const name = `${from.address}:${from.port}/${message.number}`;
    const open = connections.get(name);
    if (open === undefined && message.kind !== KIND.data) return;
    const outward = open ?? dial(target, message.number, from);
    if (open === undefined) {
      connections.set(name, outward);
      outward.once('close', () => connections.delete(name));
    }
    deliver(outward, message);
  });
  const dial = (place: Place, number: number, from: RemoteInfo): Socket => {
    const outward = connect({ ...place, allowHalfOpen: true });
    carry(outward, number, (datagram) => udp.send(datagram, from.port, from.address));
    return outward;
  };
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  return { port: udp.address().port, close: () => closeAll(udp, connections) };
}

/** Sends what a TCP connection says, cut into datagrams. Nothing waits for anything: UDP has no flow control. */
function carry(socket: Socket, number: number, send: (datagram: Uint8Array) => void): void {
  socket.on('data', (bytes) => {
    for (let start = 0; start < bytes.length; start += MAX_PIECE_BYTES) {
      send(encode(number, KIND.data, bytes.subarray(start, start + MAX_PIECE_BYTES)));
    }
  });
  socket.once('end', () => send(encode(number, KIND.end)));
  socket.on('error', () => send(encode(number, KIND.reset)));
}

interface Message {
  readonly number: number;
  readonly kind: number;
  readonly bytes: Uint8Array;
}

function deliver(socket: Socket, { kind, bytes }: Message): void {
  if (kind === KIND.reset) socket.resetAndDestroy();
  else if (socket.writableEnded) return;
  else if (kind === KIND.end) socket.end();
  else socket.write(bytes);
}

function encode(number: number, kind: number, bytes: Uint8Array = new Uint8Array(0)): Uint8Array {
  const datagram = Buffer.alloc(HEADER_BYTES + bytes.length);
  datagram.writeUInt32BE(number, 0);
  datagram[4] = kind;
  datagram.set(bytes, HEADER_BYTES);
  return datagram;
}

/** Anybody can send us anything. What we can't read, we drop.
 *  @returns undefined if it is not one of our datagrams */
function parse(datagram: Buffer): Message | undefined {
  if (datagram.length < HEADER_BYTES) return undefined;
  const kind = datagram[4] ?? 0;
  if (kind > KIND.reset) return undefined;
  return { number: datagram.readUInt32BE(0), kind, bytes: datagram.subarray(HEADER_BYTES) };
}

function closeAll(udp: UdpSocket, connections: Map<unknown, Socket>, server?: { close(): void }): void {
  server?.close();
  udp.close();
  for (const socket of connections.values()) socket.destroy();
}

if (import.meta.filename === process.argv[1]) {
  const [role, listen, place = ''] = process.argv.slice(2);
  const [host = 'localhost', port] = place.split(':');
  const start = role === 'relay' ? startRelay : startClient;
  const half = await start({ host, port: Number(port) }, Number(listen));
  console.log(`${role}: port ${half.port} leads to ${host}:${port}`);
}
