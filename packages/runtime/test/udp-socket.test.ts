import { createSocket, Socket } from 'node:dgram';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { networkInterfaces, release } from 'node:os';
import type { Address } from '@underpass/protocol';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { cLibrary } from '../src/c-library.js';
import {
  type DatagramSocket,
  MAX_BATCHES,
  openUdpSocket,
  type UdpSocketOptions,
  UnderpassError,
} from '../src/index.js';
import { MAX_MESSAGES_READ } from '../src/message-reader.js';
import { NativeOptions } from '../src/native-socket.js';
import { openPlain } from '../src/system-socket.js';
import { MAX_MORE_BYTES } from '../src/udp-socket.js';
import { loadGetsockopt } from './socket-options.js';

const open: DatagramSocket[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map((socket) => socket.close()));
});

const hasIpv6Loopback = Object.values(networkInterfaces()).some((list) =>
  list?.some((entry) => entry.address === '::1'),
);

interface Received {
  readonly bytes: Uint8Array;
  readonly from: Address;
}

function loopbackMtu(): number | undefined {
  try {
    return Number(readFileSync('/sys/class/net/lo/mtu', 'utf8'));
  } catch {
    return undefined;
  }
}

/** Resolves with the next `count` datagrams. */
function receive(socket: DatagramSocket, count: number): Promise<Received[]> {
  const received: Received[] = [];
  return new Promise((resolve) => {
    socket.listen({
      onDatagram: (bytes, from) => {
        received.push({ bytes: bytes.slice(), from });
        if (received.length === count) resolve(received);
      },
      onBatchFree: () => {},
    });
  });
}

function sendText(socket: DatagramSocket, text: string, segmentBytes: number, to: Address): void {
  const batch = socket.acquireBatch();
  if (batch === undefined) throw new Error('no batch');
  const bytes = new TextEncoder().encode(text);
  batch.buffer.set(bytes);
  batch.lengthBytes = bytes.length;
  batch.segmentBytes = segmentBytes;
  batch.to = to;
  socket.send(batch);
}

/** A transport message, as far as anybody can see: the socket tells datagrams apart by how they begin. */
function transportMessage(text: string, bytes = 40): Uint8Array {
  const message = new Uint8Array(bytes);
  message.set([4, 0, 0, 0, 1, 2, 3, 4, ...new TextEncoder().encode(text)]);
  return message;
}

function textOf({ bytes }: Received): string {
  return new TextDecoder().decode(bytes.subarray(8)).replaceAll('\0', '');
}

/** Sends messages of the same size, except that the last may be shorter. */
function sendMessages(socket: DatagramSocket, messages: readonly Uint8Array[], to: Address): void {
  const batch = socket.acquireBatch();
  if (batch === undefined) throw new Error('no batch');
  let at = 0;
  for (const message of messages) {
    batch.buffer.set(message, at);
    at += message.length;
  }
  batch.lengthBytes = at;
  batch.segmentBytes = messages[0]?.length ?? 0;
  batch.to = to;
  socket.send(batch);
}

/** Resolves with the size and destination of the next `count` datagrams that were too large. */
function refusals(socket: DatagramSocket, count: number): Promise<[Address, number][]> {
  const refused: [Address, number][] = [];
  return new Promise((resolve) => {
    socket.listen({
      onDatagram: () => {},
      onBatchFree: () => {},
      onTooLarge: (to, bytes) => {
        if (refused.push([to, bytes]) === count) resolve(refused);
      },
    });
  });
}

/** Sends `lengthBytes` of arbitrary content. */
function sendBytes(
  socket: DatagramSocket,
  lengthBytes: number,
  segmentBytes: number,
  to: Address,
  mayFragment = false,
): void {
  const batch = socket.acquireBatch();
  if (batch === undefined) throw new Error('no batch');
  batch.lengthBytes = lengthBytes;
  batch.segmentBytes = segmentBytes;
  batch.to = to;
  batch.mayFragment = mayFragment;
  socket.send(batch);
}

const hasKoffi = cLibrary() !== undefined;
/** Whether this system can segment and coalesce: Linux 5.0. */
const hasOffload = Number(release().split('.')[0]) >= 5;

describe.each([
  ['the UDP socket, opened by Node', false],
  [`the UDP socket, opened through koffi${hasKoffi ? '' : ' (not installed, so by Node too)'}`, true],
])('%s', (_, native) => {
  async function openTracked(options: UdpSocketOptions): Promise<DatagramSocket> {
    const socket = await openUdpSocket({ ...options, kind: native && hasKoffi ? 'native' : 'plain' });
    open.push(socket);
    return socket;
  }

  it('refuses fragmentation only when opened through koffi (spec mtu 1.4)', async () => {
    for (const host of hasIpv6Loopback ? [undefined, '127.0.0.1', '::1'] : [undefined, '127.0.0.1']) {
      const socket = await openTracked(host === undefined ? { port: 0 } : { host, port: 0 });
      expect(socket.refusesFragmentation).toBe(native && hasKoffi);
      expect(socket.address.address).toBe(host ?? (hasIpv6Loopback ? '::' : '0.0.0.0'));
    }
  });

  it.each(hasIpv6Loopback ? ['127.0.0.1', '::1'] : ['127.0.0.1'])(
    'carries datagrams both ways on %s',
    async (host) => {
      const a = await openTracked({ host, port: 0 });
      const b = await openTracked({ host, port: 0 });
      const there = receive(b, 1);
      sendText(a, 'to b', 4, b.address);
      const [first] = await there;
      expect(first?.from).toEqual(a.address);
      const back = receive(a, 1);
      sendText(b, 'to a', 4, a.address);
      expect(new TextDecoder().decode((await back)[0]?.bytes)).toBe('to a');
    },
  );

  it('splits a batch into datagrams of equal size and a shorter last one', async () => {
    const a = await openTracked({ port: 0 });
    const b = await openTracked({ port: 0 });
    const arrived = receive(b, 3);
    const messages = [transportMessage('a'), transportMessage('b'), transportMessage('c', 33)];
    sendMessages(a, messages, { address: '127.0.0.1', port: b.address.port });
    expect((await arrived).map(textOf)).toEqual(['a', 'b', 'c']);
  });

  it('carries batches of up to 64 KiB whole, whatever the size of their datagrams', async () => {
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const b = await openTracked({ host: '127.0.0.1', port: 0 });
    for (const bytes of [64, 500, 1200, 1472, 9000, 32_768, 65_000]) {
      const count = Math.floor(65_536 / bytes);
      const arrived = receive(b, count);
      const messages = Array.from({ length: count }, (_, i) => transportMessage(`${i} of ${count}`, bytes));
      sendMessages(a, messages, b.address);
      const received = await arrived;
      expect(received.map(textOf)).toEqual(messages.map((_, i) => `${i} of ${count}`));
      expect(new Set(received.map((datagram) => datagram.bytes.length))).toEqual(new Set([bytes]));
    }
    expect(a.sendErrors).toEqual({});
    expect(a.segments).toBe(native && hasKoffi && hasOffload);
    expect(a.coalesces).toBe(native && hasKoffi && hasOffload);
  });

  it('receives everything that waits, in order, and stops when it is closed in between', async () => {
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const b = await openTracked({ host: '127.0.0.1', port: 0 });
    const texts = Array.from({ length: 300 }, (_, i) => `${i}`);
    const arrived = receive(b, texts.length);
    // Each with a call of its own, so that nothing is coalesced, and then in a batch that is.
    for (const text of texts.slice(0, 100)) a.answer(transportMessage(text), b.address);
    sendMessages(
      a,
      texts.slice(100).map((text) => transportMessage(text)),
      b.address,
    );
    expect((await arrived).map(textOf)).toEqual(texts);

    let seen = 0;
    const closed = new Promise<void>((resolve) => {
      b.listen({
        onDatagram: () => {
          seen++;
          void b.close().then(resolve);
        },
        onBatchFree: () => {},
      });
    });
    for (let i = 0; i < 50; i++) a.answer(transportMessage(`${i}`, 1000), b.address);
    await closed;
    expect(seen).toBeGreaterThan(0);
    expect(seen).toBeLessThan(50);
  });

  it.runIf(native && hasKoffi)('reads a bounded amount before others have their turn', async () => {
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const b = await openTracked({ host: '127.0.0.1', port: 0 });
    let seen = 0;
    const turn = new Promise<void>((resolve) => {
      b.listen({
        onDatagram: () => {
          if (seen === 0) setImmediate(resolve);
          seen++;
        },
        onBatchFree: () => {},
      });
    });
    // More than that, if the system permits such a buffer.
    for (let i = 0; i < 2500; i++) a.answer(transportMessage(`${i}`, 1000), b.address);
    await turn;
    expect(seen).toBeGreaterThan(MAX_MESSAGES_READ);
    // One call may go beyond the limit, and Node reads 32 messages by itself.
    expect(seen).toBeLessThanOrEqual(MAX_MORE_BYTES / 1000 + MAX_MESSAGES_READ + 33);
  });

  it('reports IPv4 senders as plain IPv4 on a dual-stack socket, and can answer them', async () => {
    const dual = await openTracked({ port: 0 });
    const v4 = await openTracked({ host: '127.0.0.1', port: 0 });
    const there = receive(dual, 2);
    const messages = [transportMessage('x'), transportMessage('y')];
    sendMessages(v4, messages, { address: '127.0.0.1', port: dual.address.port });
    const [first, second] = await there;
    expect(first?.from).toEqual({ address: '127.0.0.1', port: v4.address.port });
    expect(second?.from).toBe(first?.from);
    const back = receive(v4, 1);
    if (first) sendText(dual, 'z', 1, first.from);
    expect((await back)[0]?.from.port).toBe(dual.address.port);
  });

  it.runIf(hasIpv6Loopback)('carries IPv6 on that socket too', async () => {
    const dual = await openTracked({ port: 0 });
    const v6 = await openTracked({ host: '::1', port: 0 });
    const there = receive(dual, 1);
    sendText(v6, 'x', 1, { address: '::1', port: dual.address.port });
    expect((await there)[0]?.from).toEqual({ address: '::1', port: v6.address.port });
  });

  it('has a bounded pool of batches and reports when one is free again', async () => {
    const a = await openTracked({ port: 0 });
    const to = { address: '127.0.0.1', port: a.address.port };
    const freed = new Promise<void>((resolve) => {
      a.listen({ onDatagram: () => {}, onBatchFree: resolve });
    });
    for (let i = 0; i < MAX_BATCHES; i++) sendText(a, 'x', 1, to);
    expect(a.acquireBatch()).toBeUndefined();
    await freed;
    expect(a.acquireBatch()).toBeDefined();
  });

  it('keeps a batch until the system has taken its last datagram', async () => {
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const callbacks: (() => void)[] = [];
    vi.spyOn(Socket.prototype, 'send').mockImplementation((...parameters: unknown[]) => {
      callbacks.push(() => (parameters.at(-1) as (error: null) => void)(null));
    });
    // More datagrams than the system cuts in one call.
    for (let i = 0; i < MAX_BATCHES; i++) sendBytes(a, 65_000, 500, a.address);
    const calls = callbacks.length / MAX_BATCHES;
    expect(calls).toBeGreaterThan(1);
    for (const callback of callbacks.slice(0, calls - 1)) callback();
    expect(a.acquireBatch()).toBeUndefined();
    callbacks[calls - 1]?.();
    expect(a.acquireBatch()).toBeDefined();
  });

  it('counts what the system refuses to send, and never throws', async () => {
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const freed = new Promise<void>((resolve) => {
      a.listen({ onDatagram: () => {}, onBatchFree: resolve });
    });
    for (let i = 0; i < MAX_BATCHES; i++) {
      const batch = a.acquireBatch();
      if (batch === undefined) throw new Error('no batch');
      // A datagram of 65,536 bytes is larger than UDP allows.
      batch.lengthBytes = batch.buffer.length;
      batch.segmentBytes = batch.buffer.length;
      batch.to = { address: '127.0.0.1', port: 9 };
      a.send(batch);
    }
    expect(a.acquireBatch()).toBeUndefined();
    await freed;
    expect(a.sendErrors).toEqual({ EMSGSIZE: expect.any(Number) });
  });

  it.runIf(process.platform === 'linux')(
    'reports which datagrams the system refused to send, and why',
    async () => {
      const a = await openTracked({ host: '127.0.0.1', port: 0 });
      const refused = new Promise((resolve) => {
        a.listen({
          onDatagram: () => {},
          onBatchFree: () => {},
          onTooLarge: () => resolve('too large'),
          onSendError: (to, code) => resolve([to, code]),
        });
      });
      // Broadcasting needs an option that our socket does not set.
      const everybody = { address: '255.255.255.255', port: 9 };
      sendText(a, 'x', 1, everybody);
      expect(await refused).toEqual([everybody, 'EACCES']);
      expect(a.sendErrors).toEqual({ EACCES: 1 });
    },
  );

  it('reports the size and destination of datagrams that are too large', async () => {
    const a = await openTracked({ port: 0 });
    const to = { address: '127.0.0.1', port: 9 };
    const refused = refusals(a, 3);
    // UDP over IPv4 carries at most 65,507 bytes.
    sendBytes(a, 65_510, 65_508, to);
    sendBytes(a, 65_509, 65_509, to);
    sendBytes(a, 65_536, 65_536, to);
    expect(await refused).toEqual([
      [to, 65_508],
      [to, 65_509],
      [to, 65_536],
    ]);
    expect(a.sendErrors).toEqual({ EMSGSIZE: 3 });
  });

  // An IPv6 datagram of 65,500 bytes is a packet of 65,548: just too large for Linux's loopback interface, whose MTU is
  // 65,536.
  it.runIf(native && hasKoffi && hasIpv6Loopback && loopbackMtu() === 65_536)(
    'sends nothing that the interface would have to fragment (spec mtu 1.4, 4.4)',
    async () => {
      const a = await openTracked({ port: 0 });
      const b = await openTracked({ host: '::1', port: 0 });
      const refused = refusals(a, 1);
      const arrived = receive(b, 1);
      sendBytes(a, 65_500, 65_500, b.address);
      sendBytes(a, 65_488, 65_488, b.address);
      expect(await refused).toEqual([[b.address, 65_500]]);
      expect((await arrived)[0]?.bytes.length).toBe(65_488);
    },
  );

  it('answers at once without a batch, and never after closing', async () => {
    const dual = await openTracked({ port: 0 });
    const v4 = await openTracked({ host: '127.0.0.1', port: 0 });
    while (dual.acquireBatch() !== undefined);
    const there = receive(v4, 1);
    dual.answer(Uint8Array.of(3, 0, 0, 0), v4.address);
    expect([...((await there)[0]?.bytes ?? [])]).toEqual([3, 0, 0, 0]);
    await dual.close();
    dual.answer(Uint8Array.of(3, 0, 0, 0), v4.address);
    expect(dual.sendErrors).toEqual({});
  });

  it('drops an answer while others wait for the kernel, so that a flood fills no queue', async () => {
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const send = vi.spyOn(Socket.prototype, 'send');
    const waiting = vi.spyOn(Socket.prototype, 'getSendQueueCount').mockReturnValue(1);
    a.answer(Uint8Array.of(3, 0, 0, 0), a.address);
    expect(send).not.toHaveBeenCalled();
    waiting.mockReturnValue(0);
    a.answer(Uint8Array.of(3, 0, 0, 0), a.address);
    expect(send).toHaveBeenCalledOnce();
  });

  it('ignores datagrams from port 0, which cannot be answered', async () => {
    const address = vi.spyOn(Socket.prototype, 'address');
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const arrived = receive(a, 1);
    const [socket] = address.mock.contexts as Socket[];
    for (const port of [0, 7]) socket?.emit('message', Buffer.from([port]), { address: '192.0.2.1', port });
    expect((await arrived).map(({ from }) => from.port)).toEqual([7]);
  });

  it('reports the size of each datagram that is too large for an interface, including the last', async () => {
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const tooLarge = Object.assign(new Error('too large'), { code: 'EMSGSIZE' });
    vi.spyOn(Socket.prototype, 'send').mockImplementation((...parameters: unknown[]) => {
      const [, offset, length] = parameters as [Uint8Array, number, number];
      const callback = parameters.at(-1) as (error: Error | null) => void;
      queueMicrotask(() => callback(offset === 0 && length === 1_472 ? null : tooLarge));
    });
    const refused = refusals(a, 2);
    sendBytes(a, 3_900, 1_472, a.address);
    expect((await refused).map(([, bytes]) => bytes)).toEqual([1_472, 956]);
  });

  it.runIf(native && hasKoffi)(
    'forgets its descriptor before closing it, because the number is soon reused',
    async () => {
      const release = vi.spyOn(NativeOptions.prototype, 'release');
      const a = await openTracked({ host: '127.0.0.1', port: 0 });
      expect(release).not.toHaveBeenCalled();
      await a.close();
      expect(release).toHaveBeenCalledOnce();
    },
  );

  it.runIf(native && hasKoffi)(
    'lets the system fragment only batches that allow it, and does not switch for small datagrams (spec mtu 1.4: "while the current size is above the base")',
    async () => {
      const before = new Set(openSockets().values());
      const a = await openTracked({ host: '127.0.0.1', port: 0 });
      const [fd = -1] = [...openSockets()].find(([, name]) => !before.has(name)) ?? [];
      const getsockopt = loadGetsockopt();
      const mode = () => getsockopt(fd, 'IPPROTO_IP', 'IP_MTU_DISCOVER');
      const modes = [mode()];
      for (const [bytes, mayFragment] of [
        [1152, true],
        [1472, false],
        [148, true],
        [1152, true],
      ] as const) {
        sendBytes(a, bytes, bytes, { address: '127.0.0.1', port: 9 }, mayFragment);
        modes.push(mode());
      }
      const [probe, omit] = [3, 5];
      expect(modes).toEqual([probe, omit, probe, probe, omit]);
    },
  );

  it.runIf(native && hasKoffi && hasOffload)(
    'changes no option while the system has datagrams that need another',
    async () => {
      const a = await openTracked({ host: '127.0.0.1', port: 0 });
      const sent: number[] = [];
      vi.spyOn(Socket.prototype, 'send').mockImplementation((...parameters: unknown[]) => {
        sent.push(parameters[2] as number);
      });
      const waiting = vi.spyOn(Socket.prototype, 'getSendQueueCount').mockReturnValue(1);
      sendBytes(a, 3_000, 1_000, a.address);
      expect(sent).toEqual([]);
      waiting.mockReturnValue(0);
      sendBytes(a, 1_472, 1_472, a.address);
      expect(sent).toEqual([3_000, 1_472]);
    },
  );

  it('sends nothing to port 0, without a destination, or after closing', async () => {
    const a = await openTracked({ port: 0 });
    sendText(a, 'x', 1, { address: '127.0.0.1', port: 0 });
    await a.close();
    sendText(a, 'x', 1, { address: '127.0.0.1', port: 9 });
    await a.close();
    expect(a.sendErrors).toEqual({});
  });

  // All of 127.0.0.0/8 belongs to this machine, whether an interface lists it or not.
  it
    .runIf(native && hasKoffi)
    .each([
      ...(hasIpv6Loopback ? [['every interface', undefined]] : []),
      ['every IPv4 interface', '0.0.0.0'],
    ])(
    'answers from the address that the sender used, listening on %s (spec path 6: "MUST answer from that address")',
    async (_where, host) => {
      const localAddresses = (): string[] => ['127.0.0.1', '127.0.0.2', '127.0.0.3', '::1'];
      const relay = await openTracked({ ...(host && { host }), port: 0, localAddresses });
      expect(relay.mayAnswerFromAnotherAddress).toBe(false);
      const client = await openTracked({ host: '127.0.0.1', port: 0 });
      for (const address of ['127.0.0.2', '127.0.0.1', '127.0.0.3']) {
        const asked = { address, port: relay.address.port };
        const there = receive(relay, 1);
        sendText(client, 'question', 8, asked);
        const [question] = await there;
        expect(question?.from).toEqual({ ...client.address, local: address });
        const back = receive(client, 2);
        sendText(relay, 'answer', 6, question?.from as Address);
        relay.answer(Uint8Array.of(3), question?.from as Address);
        expect((await back).map(({ from }) => from)).toEqual([asked, asked]);
      }
    },
  );

  it.runIf(native && hasKoffi && hasIpv6Loopback)(
    'answers IPv6 from the address that the sender used, beside sockets for IPv4 (spec path 6)',
    async () => {
      const localAddresses = (): string[] => ['127.0.0.1', '127.0.0.2', '::1'];
      const relay = await openTracked({ port: 0, localAddresses });
      const client = await openTracked({ host: '::1', port: 0 });
      const asked = { address: '::1', port: relay.address.port };
      const there = receive(relay, 1);
      sendText(client, 'question', 8, asked);
      const back = receive(client, 1);
      sendText(relay, 'answer', 6, (await there)[0]?.from as Address);
      expect((await back)[0]?.from).toEqual(asked);
    },
  );

  it('reports that it may answer from another address than the sender used (spec path 6: "MUST say so when it starts")', async () => {
    const several = (): string[] => ['192.0.2.1', '192.0.2.2'];
    const all = await openTracked({ port: 0, localAddresses: several });
    expect(all.mayAnswerFromAnotherAddress).toBe(!(native && hasKoffi));
    const bound = await openTracked({ host: '127.0.0.1', port: 0, localAddresses: several });
    expect(bound.mayAnswerFromAnotherAddress).toBe(false);
    const one = await openTracked({ port: 0, localAddresses: () => ['127.0.0.1', '192.0.2.1'] });
    expect(one.mayAnswerFromAnotherAddress).toBe(false);
  });

  it('says which kind it is', async () => {
    const socket = await openTracked({ port: 0 });
    expect(socket.kind).toBe(native && hasKoffi ? 'native' : 'plain');
  });

  it('explains that the port is in use', async () => {
    const a = await openTracked({ port: 0 });
    const error = await openTracked({ port: a.address.port }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnderpassError);
    expect(error).toMatchObject({
      code: 'address-in-use',
      message: `UDP port ${a.address.port} is in use by another program`,
      cause: expect.objectContaining({ code: 'EADDRINUSE' }),
    });
  });

  it('closes what it has opened when the port is in use', async () => {
    const a = await openTracked({ port: 0 });
    const close = vi.spyOn(Socket.prototype, 'close');
    onTestFinished(() => close.mockRestore());
    await expect(openPlain('udp4', '0.0.0.0', a.address.port)).rejects.toThrow('EADDRINUSE');
    expect(close).toHaveBeenCalledOnce();
  });

  it('explains that the address is not this machine’s', async () => {
    const error = await openTracked({ host: '192.0.2.1', port: 0 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'address-not-available' });
  });

  it('never shares its port, even with a socket that allows sharing', async () => {
    const a = await openTracked({ port: 0, localAddresses: () => ['127.0.0.1', '127.0.0.2'] });
    const other = createSocket({ type: 'udp4', reuseAddr: true });
    const code = await new Promise((resolve) => {
      other.once('error', (error) => resolve('code' in error ? error.code : error));
      other.bind(a.address.port, '127.0.0.1', () => resolve('bound'));
    });
    other.close();
    expect(code).toBe('EADDRINUSE');
  });

  it('leaves the port free after closing', async () => {
    const a = await openTracked({ port: 0 });
    await a.close();
    await new Promise<void>((resolve) => {
      const probe = createSocket('udp4');
      probe.bind(a.address.port, () => probe.close(() => resolve()));
    });
  });
});

/** This process's sockets: the kernel's name for each, by descriptor. */
function openSockets(): Map<number, string> {
  const found = new Map<number, string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const name = readlinkSync(`/proc/self/fd/${fd}`);
      if (name.startsWith('socket:')) found.set(Number(fd), name);
    } catch {
      // The descriptor that readdir itself had open.
    }
  }
  return found;
}
