import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { type Address, TransmitBatch } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { cLibrary } from '../src/c-library.js';
import type { DatagramListener, DatagramSocket } from '../src/datagram-socket.js';
import { RenewableSocket } from '../src/renewable-socket.js';
import type { SocketKind } from '../src/socket-kinds.js';
import { tapped } from '../src/tapped-socket.js';
import { openUdpSocket } from '../src/udp-socket.js';

const PEER: Address = { address: '192.0.2.1', port: 51820 };

describe('a socket whose port can change', () => {
  it('goes on with the new one: what is sent, what arrives and how it is described', async () => {
    const { socket, opened, heard } = setUp();
    expect(await socket.renew()).toBe(true);
    const [old, next] = opened;
    expect(old?.log).toEqual(['listen', 'listen', 'close']);
    const batch = socket.acquireBatch() ?? new TransmitBatch();
    socket.send(batch);
    socket.answer(Buffer.from('cookie'), PEER);
    socket.releaseBatch(batch);
    expect(next?.log).toEqual(['listen', 'acquire', 'send', 'answer', 'release']);
    old?.listener?.onDatagram(Buffer.from('late'), PEER, false);
    next?.listener?.onDatagram(Buffer.from('new'), PEER, true);
    // The driver may have waited for a batch of the old socket.
    expect(heard).toEqual(['batch free', 'new']);
    expect([socket.address.port, socket.kind, socket.segments, socket.coalesces]).toEqual([
      2,
      'native',
      true,
      true,
    ]);
    expect([socket.refusesFragmentation, socket.mayAnswerFromAnotherAddress]).toEqual([true, true]);
  });

  it('counts the errors of all sockets', async () => {
    const { socket, opened } = setUp();
    Object.assign(opened[0]?.sendErrors ?? {}, { EPERM: 2, ENOBUFS: 1 });
    await socket.renew();
    Object.assign(opened[1]?.sendErrors ?? {}, { EPERM: 3 });
    expect(socket.sendErrors).toEqual({ EPERM: 5, ENOBUFS: 1 });
    await socket.renew();
    expect(socket.sendErrors).toEqual({ EPERM: 5, ENOBUFS: 1 });
  });

  it('keeps the old one when no other can be opened, and tries again the next time', async () => {
    const { socket, opened, failNext } = setUp();
    failNext();
    await expect(socket.renew()).rejects.toThrow('no descriptors');
    expect([socket.address.port, opened[0]?.log]).toEqual([1, ['listen']]);
    await socket.renew();
    expect(socket.address.port).toBe(2);
  });

  it('opens one at a time, and none once it is closed', async () => {
    const { socket, opened } = setUp();
    expect(await Promise.all([socket.renew(), socket.renew()])).toEqual([true, false]);
    expect(opened).toHaveLength(2);
    const renewing = socket.renew();
    await socket.close();
    expect(await renewing).toBe(false);
    expect(await socket.renew()).toBe(false);
    // What was being opened is closed again.
    expect(opened.map(({ log }) => log.at(-1))).toEqual(['close', 'close', 'close']);
    expect(opened).toHaveLength(3);
  });
});

it.each<SocketKind>(['plain', 'native'])('a %s socket sends and receives on its new port', async (kind) => {
  if (kind === 'native' && cLibrary() === undefined) return;
  const open = () => openUdpSocket({ host: '127.0.0.1', port: 0, kind });
  const socket = new RenewableSocket(await open(), open);
  const peer = createSocket('udp4').bind(0, '127.0.0.1');
  await once(peer, 'listening');
  const to = { address: '127.0.0.1', port: peer.address().port };
  const captured: string[] = [];
  const watched = tapped(socket, {
    onSent: (datagram, from) => captured.push(`${textOf(datagram)} from ${from.port}`),
    onReceived: (datagram, _from, at) => captured.push(`${textOf(datagram)} at ${at.port}`),
  });
  /** Sends a batch, and waits for the peer's answer. */
  const exchange = async (text: string) => {
    const arrived = once(peer, 'message');
    const answered = new Promise<string>((resolve) => {
      watched.listen({ onDatagram: (datagram) => resolve(textOf(datagram)), onBatchFree: () => {} });
    });
    const batch = watched.acquireBatch() ?? new TransmitBatch();
    batch.buffer.set(Buffer.from(text));
    Object.assign(batch, { lengthBytes: text.length, segmentBytes: text.length, to });
    watched.send(batch);
    const [, from] = (await arrived) as [Buffer, RemoteInfo];
    peer.send(`${text} back`, from.port, from.address);
    expect(await answered).toBe(`${text} back`);
    return from.port;
  };
  const before = await exchange('one');
  await socket.renew();
  const after = await exchange('two');
  expect(after).not.toBe(before);
  expect(captured).toEqual([
    `one from ${before}`,
    `one back at ${before}`,
    `two from ${after}`,
    `two back at ${after}`,
  ]);
  await watched.close();
  peer.close();
});

/** Sockets on the ports 1, 2 and so on. */
function setUp() {
  const opened: FakeSocket[] = [];
  const heard: string[] = [];
  let fails = false;
  const open = async (): Promise<DatagramSocket> => {
    if (fails) {
      fails = false;
      throw new Error('no descriptors');
    }
    return new FakeSocket(opened);
  };
  const socket = new RenewableSocket(new FakeSocket(opened), open);
  socket.listen({
    onDatagram: (datagram) => heard.push(Buffer.from(datagram).toString()),
    onBatchFree: () => heard.push('batch free'),
  });
  const failNext = (): void => {
    fails = true;
  };
  return { socket, opened, heard, failNext };
}

class FakeSocket implements DatagramSocket {
  readonly log: string[] = [];
  readonly sendErrors: Record<string, number> = {};
  readonly address: Address;
  readonly kind = 'native';
  readonly refusesFragmentation = true;
  readonly segments = true;
  readonly coalesces = true;
  readonly mayAnswerFromAnotherAddress = true;
  listener: DatagramListener | undefined;

  constructor(all: FakeSocket[]) {
    all.push(this);
    this.address = { address: '::', port: all.length };
  }

  listen(listener: DatagramListener): void {
    this.log.push('listen');
    this.listener = listener;
  }

  acquireBatch(): TransmitBatch {
    this.log.push('acquire');
    return new TransmitBatch();
  }

  releaseBatch(): void {
    this.log.push('release');
  }

  send(): void {
    this.log.push('send');
  }

  answer(): void {
    this.log.push('answer');
  }

  async close(): Promise<void> {
    this.log.push('close');
  }
}

function textOf(datagram: Uint8Array): string {
  return Buffer.from(datagram).toString();
}
