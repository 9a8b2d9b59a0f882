import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { Address } from '@underpass/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { type DatagramSocket, MAX_BATCHES, openUdpSocket, UnderpassError } from '../src/index.js';

const open: DatagramSocket[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((socket) => socket.close()));
});

async function openTracked(options: { host?: string; port: number }): Promise<DatagramSocket> {
  const socket = await openUdpSocket(options);
  open.push(socket);
  return socket;
}

const hasIpv6Loopback = Object.values(networkInterfaces()).some((list) =>
  list?.some((entry) => entry.address === '::1'),
);

interface Received {
  readonly bytes: Uint8Array;
  readonly from: Address;
}

/** Resolves with the next `count` datagrams. */
function receive(socket: DatagramSocket, count: number): Promise<Received[]> {
  const received: Received[] = [];
  return new Promise((resolve) => {
    socket.listen({
      onDatagram: (bytes, from) => {
        received.push({ bytes, from });
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

describe('the UDP socket', () => {
  it('cuts a batch into datagrams, the last one shorter', async () => {
    const a = await openTracked({ port: 0 });
    const b = await openTracked({ port: 0 });
    const arrived = receive(b, 3);
    sendText(a, 'aaaabbbbcc', 4, { address: '127.0.0.1', port: b.address.port });
    expect((await arrived).map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual([
      'aaaa',
      'bbbb',
      'cc',
    ]);
  });

  it('shows IPv4 senders as plain IPv4 on a dual-stack socket, and can answer them', async () => {
    const dual = await openTracked({ port: 0 });
    const v4 = await openTracked({ host: '127.0.0.1', port: 0 });
    const there = receive(dual, 2);
    sendText(v4, 'xxyy', 2, { address: '127.0.0.1', port: dual.address.port });
    const [first, second] = await there;
    expect(first?.from).toEqual({ address: '127.0.0.1', port: v4.address.port });
    expect(second?.from).toBe(first?.from);
    const back = receive(v4, 1);
    if (first) sendText(dual, 'z', 1, first.from);
    expect((await back)[0]?.from.port).toBe(dual.address.port);
  });

  it.runIf(hasIpv6Loopback)('carries IPv6 on the same socket', async () => {
    const dual = await openTracked({ port: 0 });
    const v6 = await openTracked({ host: '::1', port: 0 });
    const there = receive(dual, 1);
    sendText(v6, 'x', 1, { address: '::1', port: dual.address.port });
    expect((await there)[0]?.from).toEqual({ address: '::1', port: v6.address.port });
  });

  it('has a bounded pool of batches and says when one is free again', async () => {
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

  it('counts what the system will not send and throws nothing', async () => {
    const a = await openTracked({ host: '127.0.0.1', port: 0 });
    const freed = new Promise<void>((resolve) => {
      a.listen({ onDatagram: () => {}, onBatchFree: resolve });
    });
    for (let i = 0; i < MAX_BATCHES; i++) {
      const batch = a.acquireBatch();
      if (batch === undefined) throw new Error('no batch');
      // One datagram of 65,536 bytes is larger than UDP allows.
      batch.lengthBytes = batch.buffer.length;
      batch.segmentBytes = batch.buffer.length;
      batch.to = { address: '127.0.0.1', port: 9 };
      a.send(batch);
    }
    expect(a.acquireBatch()).toBeUndefined();
    await freed;
    expect(a.sendErrors).toEqual({ EMSGSIZE: expect.any(Number) });
  });

  it('sends nothing to port 0, to nobody, or once closed', async () => {
    const a = await openTracked({ port: 0 });
    sendText(a, 'x', 1, { address: '127.0.0.1', port: 0 });
    await a.close();
    sendText(a, 'x', 1, { address: '127.0.0.1', port: 9 });
    await a.close();
    expect(a.sendErrors).toEqual({});
  });

  it('says in words that the port is in use', async () => {
    const a = await openTracked({ port: 0 });
    const error = await openUdpSocket({ port: a.address.port }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnderpassError);
    expect(error).toMatchObject({
      code: 'address-in-use',
      message: `UDP port ${a.address.port} is in use by another program`,
      cause: expect.objectContaining({ code: 'EADDRINUSE' }),
    });
  });

  it('says in words that the address is not this machine’s', async () => {
    const error = await openUdpSocket({ host: '192.0.2.1', port: 0 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'address-not-available' });
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
