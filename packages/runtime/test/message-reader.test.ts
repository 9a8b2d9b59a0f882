import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { type CLibrary, cLibrary } from '../src/c-library.js';
import { MAX_MESSAGES_READ, MessageReader } from '../src/message-reader.js';
import { type NativeSocketOptions, openDescriptor } from '../src/native-socket.js';
import { FakeKernel, GRO, ipv4, ipv6 } from './fake-kernel.js';

const library = cLibrary();
const hasIpv6Loopback = Object.values(networkInterfaces()).some((list) =>
  list?.some((entry) => entry.address === '::1'),
);
/** An address that is valid on one interface only, as Node writes it. */
const linkLocal = Object.entries(networkInterfaces())
  .flatMap(([name, list]) => (list ?? []).map((entry) => ({ ...entry, name })))
  .find(({ family, scopeid }) => family === 'IPv6' && (scopeid ?? 0) > 0);

const opened: Socket[] = [];
const descriptors: number[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
  for (const fd of descriptors.splice(0)) library?.close(fd);
});

/** A socket that nobody else reads, and its port. */
function openReceiver(options: Partial<NativeSocketOptions> = {}): { fd: number; port: number } {
  for (let port = 20_000; port < 60_000; port += 7) {
    const all = { family: 'udp4', host: '127.0.0.1', bufferBytes: 1 << 20, ...options, port } as const;
    const fd = openDescriptor(all, library as CLibrary);
    if (fd === undefined) continue;
    descriptors.push(fd);
    return { fd, port };
  }
  throw new Error('no port is free');
}

async function openSender(type: 'udp4' | 'udp6' = 'udp4', address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket(type);
  opened.push(socket);
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

function send(socket: Socket, bytes: Uint8Array, port: number, host = '127.0.0.1'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, host, (error) => (error === null ? resolve() : reject(error)));
  });
}

describe.skipIf(library === undefined)('a reader of many messages, with koffi, which is optional', () => {
  it('reads what has arrived, in order, each with its own bytes, and no more than it is asked for', async () => {
    const { fd, port } = openReceiver();
    const sender = await openSender();
    const reader = new MessageReader(library as CLibrary);
    expect(reader.read(fd, MAX_MESSAGES_READ)).toBe(0);
    const sizes = Array.from({ length: 40 }, (_, i) => (i * 337) % 1472);
    for (const [i, size] of sizes.entries()) await send(sender, new Uint8Array(size).fill(i), port);
    await send(sender, new Uint8Array(65_507).fill(77), port);
    const seen: number[] = [];
    for (const expected of [5, MAX_MESSAGES_READ, 4, 0]) {
      const count = reader.read(fd, expected === 5 ? 5 : MAX_MESSAGES_READ);
      expect(count).toBe(expected);
      for (let i = 0; i < count; i++) {
        const bytes = reader.bytes(i);
        expect(new Set(bytes).size).toBeLessThanOrEqual(1);
        seen.push(bytes.length);
        expect(reader.datagramBytes(i)).toBe(0);
      }
    }
    expect(seen).toEqual([...sizes, 65_507]);
  });

  it('names senders as Node does, on IPv4 and on a dual-stack socket', async () => {
    const reader = new MessageReader(library as CLibrary);
    const [a, b] = [await openSender(), await openSender()];
    const plain = openReceiver();
    for (const from of [a, a, b, a]) await send(from, new Uint8Array(32), plain.port);
    expect(reader.read(plain.fd, 8)).toBe(4);
    const names = [0, 1, 2, 3].map((i) => ({ ...reader.sender(i) }));
    const nameOf = (socket: Socket) => ({ address: '127.0.0.1', port: socket.address().port });
    expect(names).toEqual([a, a, b, a].map(nameOf));

    if (!hasIpv6Loopback) return;
    const dual = openReceiver({ family: 'udp6', host: '::' });
    const six = await openSender('udp6', '::1');
    await send(a, new Uint8Array(32), dual.port);
    await send(six, new Uint8Array(32), dual.port, '::1');
    expect(reader.read(dual.fd, 8)).toBe(2);
    expect(reader.sender(0)).toEqual({ address: '::ffff:127.0.0.1', port: a.address().port });
    expect(reader.sender(1)).toEqual({ address: '::1', port: six.address().port });
  });

  it.runIf(linkLocal !== undefined)('names the interface of a link-local sender', async () => {
    const { address, name } = linkLocal as { address: string; name: string };
    const dual = openReceiver({ family: 'udp6', host: '::' });
    const sender = await openSender('udp6', `${address}%${name}`);
    await send(sender, new Uint8Array(32), dual.port, `${address}%${name}`);
    const reader = new MessageReader(library as CLibrary);
    expect(reader.read(dual.fd, 1)).toBe(1);
    expect(reader.sender(0).address).toBe(`${address}%${name}`);
  });

  it('reads nothing from a descriptor that is closed or no socket', () => {
    const reader = new MessageReader(library as CLibrary);
    expect(reader.read(-1, 4)).toBe(0);
    expect(reader.read(0, 4)).toBe(0);
  });

  it('uses no number of the system as it is: a count, a length or a size that cannot be', () => {
    let view: DataView = new DataView(new ArrayBuffer(0));
    const lying = {
      ...(library as CLibrary),
      addressOf: (bytes: Uint8Array) => {
        if (bytes.length < 65_536) view = new DataView(bytes.buffer);
        return 0n;
      },
      recvmmsg: () => {
        view.setUint32(56, 0xffff_ffff, true);
        return 1000;
      },
    };
    const reader = new MessageReader(lying);
    expect(reader.read(3, 4)).toBe(4);
    expect(reader.bytes(0).length).toBe(65_536);
    view.setUint32(48, 0x20, true);
    expect(reader.bytes(0).length).toBe(0);
  });
});

describe('a reader of many messages', () => {
  it('gives the kernel all the room again for each read, and takes nothing of the last one for new', () => {
    const kernel = new FakeKernel();
    const reader = new MessageReader(kernel);
    // Short addresses first, so that the room of the first read would not hold the others; and last, where those of the
    // read before are longer.
    for (const [isShort, hasControl] of [
      [true, true],
      [false, false],
      [false, true],
      [true, false],
    ] as const) {
      kernel.waiting = Array.from({ length: MAX_MESSAGES_READ }, (_, i) => ({
        bytes: new Uint8Array(i).fill(i),
        name: isShort ? ipv4(i, i) : ipv6(i, i, 1),
        ...(hasControl && { control: { ...GRO, value: 1000 + i } }),
      }));
      expect(reader.read(3, MAX_MESSAGES_READ)).toBe(MAX_MESSAGES_READ);
      for (let i = 0; i < MAX_MESSAGES_READ; i++) {
        expect(reader.bytes(i)).toEqual(new Uint8Array(i).fill(i));
        expect(reader.datagramBytes(i)).toBe(hasControl ? 1000 + i : 0);
        const last = i.toString(16).padStart(2, '0');
        const address = isShort ? `2/c00002${last}` : `10/fe80${'0'.repeat(26)}${last}%if1`;
        expect(reader.sender(i)).toEqual({ address, port: i });
      }
    }
    expect(reader.read(3, MAX_MESSAGES_READ)).toBe(0);
  });

  it.each([
    ['the size of joined datagrams', {}, 1472],
    ['a message with more in it', { length: 24 }, 0],
    ['one of another level', { level: 1 }, 0],
    ['one of another type', { type: 103 }, 0],
    ['a size that cannot be', { value: -1 }, 0],
  ])('understands only one control message: %s', (_what, difference, size) => {
    const kernel = new FakeKernel();
    const reader = new MessageReader(kernel);
    kernel.waiting = [{ name: ipv4(1, 1), control: { ...GRO, ...difference } }];
    expect(reader.read(3, 1)).toBe(1);
    expect(reader.datagramBytes(0)).toBe(size);
  });

  it('takes a message that was cut off for empty, and one that just fits for whole', () => {
    const kernel = new FakeKernel();
    const reader = new MessageReader(kernel);
    kernel.waiting = [65_535, 65_536, 65_537].map((bytes) => ({
      bytes: new Uint8Array(bytes),
      name: ipv4(1, 1),
    }));
    expect(reader.read(3, 4)).toBe(3);
    expect([0, 1, 2].map((i) => reader.bytes(i).length)).toEqual([65_535, 65_536, 0]);
  });

  it('writes a name only when the sender changes, in whatever part', () => {
    const kernel = new FakeKernel();
    const reader = new MessageReader(kernel);
    const names = [
      ...[ipv4(1, 5), ipv4(1, 5), ipv4(2, 5), ipv4(2, 0x1234), ipv4(2, 0x1234)],
      ...[ipv6(2, 5), ipv6(3, 5), ipv6(3, 5, 2), ipv6(3, 5, 7), ipv6(3, 5, 7), ipv6(3, 5)],
      // Of neither family: no name, which the socket's owner cannot answer.
      Uint8Array.of(1, 0, 0, 5),
    ];
    kernel.waiting = names.map((name) => ({ name }));
    expect(reader.read(3, MAX_MESSAGES_READ)).toBe(names.length);
    const six = (last: string) => `10/fe80${'0'.repeat(26)}${last}`;
    const seen = names.map((_, i) => `${reader.sender(i).address} ${reader.sender(i).port}`);
    expect(seen).toEqual([
      ...['2/c0000201 5', '2/c0000201 5', '2/c0000202 5', '2/c0000202 4660', '2/c0000202 4660'],
      ...[
        `${six('02')} 5`,
        `${six('03')} 5`,
        `${six('03')}%if2 5`,
        `${six('03')}%if7 5`,
        `${six('03')}%if7 5`,
      ],
      `${six('03')} 5`,
      ' 5',
    ]);
    expect(kernel.texts).toBe(8);
  });
});
