import type { Address } from '@underpass/protocol';
import { TransmitBatch } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import type { DatagramListener, DatagramSocket } from '../src/datagram-socket.js';
import { RenewableSocket } from '../src/renewable-socket.js';

const PEER: Address = { address: '192.0.2.1', port: 51820 };

describe('a socket whose port can change', () => {
  it('goes on with the new one: what is sent, what arrives and how it is described', async () => {
    const { socket, opened, heard } = setUp();
    await socket.renew();
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
    await Promise.all([socket.renew(), socket.renew()]);
    expect(opened).toHaveLength(2);
    const renewing = socket.renew();
    await socket.close();
    await renewing;
    await socket.renew();
    // What was being opened is closed again.
    expect(opened.map(({ log }) => log.at(-1))).toEqual(['close', 'close', 'close']);
    expect(opened).toHaveLength(3);
  });
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
