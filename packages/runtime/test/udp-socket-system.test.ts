/** What the UDP socket makes of the system's answers. The test replaces the sockets of the system and the kernel that hands
 *  messages over. */
import type { Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import { TransmitBatch } from '@underpass/protocol';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CLibrary } from '../src/c-library.js';
import { type DatagramSocket, MAX_BATCHES, openUdpSocket, UnderpassError } from '../src/index.js';
import { MAX_MESSAGES_READ } from '../src/message-reader.js';
import type { NativeOptions } from '../src/native-socket.js';
import type * as systemSocket from '../src/system-socket.js';
import { MAX_MORE_BYTES } from '../src/udp-socket.js';
import { FakeKernel, GRO, ipv4 } from './fake-kernel.js';

const stage = vi.hoisted(() => ({
  now: 0,
  kernel: undefined as unknown,
  /** What opening a socket of each address does: fail with this error, or succeed. */
  errors: {} as Record<string, string>,
  asked: [] as string[],
  openNative: undefined as unknown as (local?: string) => systemSocket.SystemSocket | undefined,
  openPlain: undefined as unknown as (family: systemSocket.Family) => systemSocket.SystemSocket,
}));
vi.mock(import('../src/c-library.js'), async (original) => ({
  ...(await original()),
  cLibrary: () => stage.kernel as CLibrary,
}));
vi.mock(import('../src/clock.js'), async (original) => ({
  ...(await original()),
  monotonicMs: () => stage.now,
}));
vi.mock(import('../src/system-socket.js'), async (original) => ({
  ...(await original()),
  openNative: ({ local }) => stage.openNative(local),
  openPlain: async (family, host, port) => {
    stage.asked.push(`${family} ${host} ${port}`);
    const code = stage.errors[host];
    if (code !== undefined) throw Object.assign(new Error(code), { code });
    return stage.openPlain(family);
  },
}));
const { SystemSocket } = await import('../src/system-socket.js');

/** A socket of the system that answers nothing until the test does. */
class FakeSystem extends EventEmitter {
  readonly callbacks: ((error: Error | null) => void)[] = [];
  readonly options = {
    fd: 9,
    canSegment: true,
    coalesces: false,
    mayFragment: false,
    segmentBytes: 0,
    release: () => {},
  };
  address(): object {
    return { address: '127.0.0.1', port: 7 };
  }
  getSendQueueCount(): number {
    return 0;
  }
  send(...parameters: unknown[]): void {
    this.callbacks.push(parameters.at(-1) as (error: Error | null) => void);
  }
  close(closed: () => void): void {
    closed();
  }
  arrive(message: Uint8Array, port = 5): void {
    this.emit('message', message, { address: '192.0.2.1', port });
  }
  /** Answers all calls up to now. */
  answer(code?: string): void {
    for (const callback of this.callbacks.splice(0)) {
      callback(code === undefined ? null : Object.assign(new Error(code), { code }));
    }
  }
}

const opened: DatagramSocket[] = [];
afterEach(async () => {
  for (const socket of opened.splice(0)) await socket.close();
  stage.asked.length = 0;
  stage.errors = {};
});

const kernel = new FakeKernel();
stage.kernel = kernel;

async function setUp({ native = true, coalesces = false } = {}) {
  const system = new FakeSystem();
  system.options.coalesces = coalesces;
  const make = (options: NativeOptions | undefined) =>
    new SystemSocket(system as unknown as Socket, 'udp4', options);
  stage.openNative = () => (native ? make(system.options as unknown as NativeOptions) : undefined);
  stage.openPlain = () => make(undefined);
  const lines: unknown[] = [];
  const at =
    (level: string) =>
    (fields: object, text: string): void =>
      void lines.push([level, fields, text]);
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const socket = await openUdpSocket({ host: '127.0.0.1', port: 7, log });
  opened.push(socket);
  const heard: unknown[] = [];
  const listen = () =>
    socket.listen({
      onDatagram: (bytes, { port }, isCoalesced) => heard.push([bytes.length, port, isCoalesced]),
      onBatchFree: () => heard.push('batch free'),
      onTooLarge: ({ port }, bytes) => heard.push(['too large', port, bytes]),
      onSendError: ({ port }, code) => heard.push([code, port]),
    });
  listen();
  return { socket, system, heard, lines };
}

/** Sends a batch of datagrams of 100 bytes. @returns whether there was one */
function send(socket: DatagramSocket, count = 1): boolean {
  const batch = socket.acquireBatch();
  if (batch === undefined) return false;
  const to = { address: '192.0.2.1', port: 5 };
  socket.send(Object.assign(batch, { lengthBytes: 100 * count, segmentBytes: 100, to }));
  return true;
}

describe('the address of a UDP socket', () => {
  const both = ['udp6 :: 7', 'udp4 0.0.0.0 7'];

  it.each([
    ['a system without IPv6', 'EAFNOSUPPORT', both],
    ['a system where it is switched off', 'EADDRNOTAVAIL', both],
  ])('is every IPv4 interface on %s', async (_what, code, asked) => {
    stage.errors = { '::': code };
    await setUp({ native: false });
    stage.asked.length = 0;
    opened.push(await openUdpSocket({ port: 7 }));
    expect(stage.asked).toEqual(asked);
  });

  it.each([
    ['EADDRINUSE', 'address-in-use'],
    ['EACCES', 'permission-denied'],
  ])('is not another one when the system says %s', async (code, expected) => {
    stage.errors = { '::': code };
    await setUp({ native: false });
    stage.asked.length = 0;
    const error = await openUdpSocket({ port: 7 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnderpassError);
    expect(error).toMatchObject({ code: expected, message: expect.stringMatching(/^UDP port 7[: ]/) });
    expect(stage.asked).toEqual(['udp6 :: 7']);
  });

  it('is named by an error if it was given, and no other one is tried', async () => {
    await setUp({ native: false });
    for (const [host, asked] of [
      ['192.0.2.9', 'udp4 192.0.2.9 7'],
      ['2001:db8::9', 'udp6 2001:db8::9 7'],
    ] as const) {
      stage.errors = { [host]: 'EADDRNOTAVAIL' };
      stage.asked.length = 0;
      await expect(openUdpSocket({ host, port: 7 })).rejects.toMatchObject({
        code: 'address-not-available',
        message: `UDP port 7 on ${host}: this machine does not have that address`,
      });
      expect(stage.asked).toEqual([asked]);
    }
  });

  it('is logged with what the socket can do', async () => {
    const { lines } = await setUp({ coalesces: true });
    const can = { segments: true, coalesces: true };
    expect(lines).toEqual([['debug', { event: 'socket', socket: 'native', ...can }, 'UDP socket: native']]);
    const plain = await setUp({ native: false });
    const cannot = { segments: false, coalesces: false };
    expect(plain.lines).toEqual([
      ['debug', { event: 'socket', socket: 'plain', ...cannot }, 'UDP socket: plain'],
    ]);
  });
});

describe('a UDP socket', () => {
  it('warns once that nothing is cut any more, and counts refusals by their names', async () => {
    const { socket, system, heard, lines } = await setUp();
    for (let i = 0; i < 2; i++) send(socket, 2);
    system.answer('EIO');
    system.answer();
    expect([socket.segments, heard]).toEqual([false, []]);
    expect(lines.slice(1)).toEqual([
      [
        'warn',
        { event: 'segmentation-lost', code: 'EIO' },
        'the system cannot cut batches into datagrams (EIO), so each takes a system call, which is slower',
      ],
    ]);
    for (const code of ['EPERM', 'EMSGSIZE', 'EPERM']) {
      send(socket);
      system.answer(code);
    }
    expect(heard).toEqual([
      ['EPERM', 5],
      ['too large', 5, 100],
      ['EPERM', 5],
    ]);
    system.emit('error', Object.assign(new Error('late'), { code: 'ENETDOWN' }));
    expect(socket.sendErrors).toEqual({ EPERM: 2, EMSGSIZE: 1, ENETDOWN: 1 });
  });

  it('says that a batch is free only to a listener that found none, once, and not after closing', async () => {
    const { socket, system, heard } = await setUp();
    for (let i = 0; i < MAX_BATCHES; i++) expect(send(socket)).toBe(true);
    system.answer();
    expect(heard).toEqual([]);
    for (let i = 0; i < MAX_BATCHES; i++) expect(send(socket)).toBe(true);
    expect(send(socket)).toBe(false);
    system.answer();
    expect(heard).toEqual(['batch free']);
    for (let i = 0; i < MAX_BATCHES; i++) send(socket);
    expect(send(socket)).toBe(false);
    await socket.close();
    system.answer();
    expect(heard).toEqual(['batch free']);
  });

  it('takes no batch into its pool that it has not made, and sends none', async () => {
    const { socket, system } = await setUp();
    const mine = Array.from({ length: MAX_BATCHES }, () => socket.acquireBatch());
    const foreign = new TransmitBatch();
    socket.releaseBatch(foreign);
    Object.assign(foreign, { lengthBytes: 1, segmentBytes: 1, to: { address: '192.0.2.1', port: 5 } });
    socket.send(foreign);
    expect(socket.acquireBatch()).toBeUndefined();
    socket.releaseBatch(mine[3] as TransmitBatch);
    expect(socket.acquireBatch()).toBe(mine[3]);
    expect(system.callbacks).toEqual([]);
  });

  it('has a batch back that it cannot send: without a destination, to port 0, or after closing', async () => {
    const { socket, system } = await setUp();
    for (let i = 1; i < MAX_BATCHES; i++) socket.acquireBatch();
    for (const [to, isClosed] of [
      [undefined, false],
      [{ address: '192.0.2.1', port: 0 }, false],
      [{ address: '192.0.2.1', port: 5 }, true],
    ] as const) {
      if (isClosed) await socket.close();
      const batch = socket.acquireBatch() as TransmitBatch;
      socket.send(Object.assign(batch, { lengthBytes: 1, segmentBytes: 1, to }));
      expect(system.callbacks).toEqual([]);
    }
    expect(socket.acquireBatch()).toBeDefined();
  });

  it('ignores what arrives before anybody listens', async () => {
    const { system } = await setUp();
    const silent = await openUdpSocket({ host: '127.0.0.1', port: 7 });
    opened.push(silent);
    kernel.waiting = [{ name: ipv4(1, 5) }];
    const { listeners } = system;
    expect(() =>
      listeners.call(system, 'message').at(-1)?.(new Uint8Array(32), { address: '192.0.2.1', port: 5 }),
    ).not.toThrow();
    expect(kernel.waiting.splice(0).length).toBe(1);
  });
});

describe('what waits behind a message', () => {
  const message = new Uint8Array(40);

  it('is read with few calls, without what is empty or cannot be answered', async () => {
    const { system, heard } = await setUp();
    const bytes = (length: number, port: number) => ({ bytes: new Uint8Array(length), name: ipv4(1, port) });
    kernel.waiting = [bytes(50, 6), bytes(51, 0), bytes(0, 6), bytes(52, 7)];
    system.arrive(message);
    expect(heard).toEqual([
      [40, 5, false],
      [50, 6, false],
      [52, 7, false],
    ]);
    heard.length = 0;
    // As many as one call reads: there may be more.
    kernel.waiting = Array.from({ length: MAX_MESSAGES_READ + 1 }, () => bytes(50, 6));
    system.arrive(message);
    expect([heard.length, kernel.waiting.length]).toEqual([MAX_MESSAGES_READ + 2, 0]);
  });

  it('is cut at the size that the kernel tells, or not at all', async () => {
    const { system, heard } = await setUp({ coalesces: true });
    const bytes = new Uint8Array(250);
    kernel.waiting = [
      { bytes, name: ipv4(1, 6), control: { ...GRO, value: 100 } },
      { bytes, name: ipv4(1, 6), control: { ...GRO, value: 250 } },
      { bytes, name: ipv4(1, 6) },
    ];
    system.arrive(message);
    expect(heard).toEqual([
      [40, 5, false],
      [100, 6, false],
      [100, 6, true],
      [50, 6, true],
      [250, 6, false],
      [250, 6, false],
    ]);
  });

  it('is read a few at a time while datagrams arrive joined', async () => {
    const { system } = await setUp({ coalesces: true });
    const asked: number[] = [];
    const read = vi.spyOn(kernel, 'recvmmsg' as never) as unknown as { mock: { calls: number[][] } };
    const joined = { bytes: new Uint8Array(200), name: ipv4(1, 6), control: { ...GRO, value: 100 } };
    kernel.waiting = [joined, ...Array.from({ length: 5 }, () => joined)];
    system.arrive(message);
    kernel.waiting = [{ name: ipv4(1, 6) }];
    system.arrive(message);
    system.arrive(message);
    asked.push(...read.mock.calls.map((parameters) => parameters[2] as number));
    expect(asked).toEqual([MAX_MESSAGES_READ, 2, MAX_MESSAGES_READ]);
    vi.restoreAllMocks();
  });

  it('is read up to a limit in one turn of the event loop, and on from there in the next', async () => {
    const { system, heard } = await setUp();
    const bytes = new Uint8Array(60_000);
    const count = 3 * MAX_MESSAGES_READ;
    kernel.waiting = Array.from({ length: count }, () => ({ bytes, name: ipv4(1, 6) }));
    const calls = Math.ceil(MAX_MORE_BYTES / (MAX_MESSAGES_READ * bytes.length));
    system.arrive(message);
    expect(heard.length).toBe(1 + calls * MAX_MESSAGES_READ);
    // Node's own messages of this turn bring no more.
    system.arrive(message);
    expect(heard.length).toBe(2 + calls * MAX_MESSAGES_READ);
    await new Promise(setImmediate);
    system.arrive(message);
    expect(heard.length).toBe(3 + count);
  });

  it('is left alone by a socket that Node has opened, and once the descriptor is released', async () => {
    for (const native of [false, true]) {
      const { system, heard } = await setUp({ native });
      system.options.fd = -1;
      kernel.waiting = [{ name: ipv4(1, 6) }];
      system.arrive(message);
      expect([heard.length, kernel.waiting.splice(0).length]).toEqual([1, 1]);
    }
  });
});

describe('the sockets for single addresses (spec path 6)', () => {
  /** A socket for all addresses, and by address what belongs to each. */
  async function setUpAddresses(addresses: string[]) {
    const main = await setUp();
    const systems = new Map<string | undefined, FakeSystem>();
    let looks = 0;
    stage.openNative = (local) => {
      const system = new FakeSystem();
      system.options.fd = -1;
      Object.assign(system, { address: () => ({ address: local ?? '0.0.0.0', port: 7 }) });
      systems.set(local, system);
      return new SystemSocket(
        system as unknown as Socket,
        'udp4',
        system.options as unknown as NativeOptions,
        local,
      );
    };
    const localAddresses = () => {
      looks++;
      return addresses;
    };
    const socket = await openUdpSocket({ host: '0.0.0.0', port: 7, localAddresses });
    opened.push(socket, main.socket);
    socket.listen({ onDatagram: () => {}, onBatchFree: () => {} });
    return { socket, systems, looks: () => looks };
  }

  it('are looked for again after 5 s, when the main socket receives and not when they do', async () => {
    const addresses = ['192.0.2.1', '192.0.2.2'];
    const { systems, looks } = await setUpAddresses(addresses);
    stage.now += 5_000;
    systems.get('192.0.2.1')?.arrive(new Uint8Array(32));
    expect(looks()).toBe(1);
    systems.get(undefined)?.arrive(new Uint8Array(32));
    expect(looks()).toBe(2);
  });

  it('are not opened beside a socket of Node, which says that it may answer from another one', async () => {
    opened.push((await setUp({ native: false })).socket);
    const asked: unknown[] = [];
    stage.openNative = (local) => {
      asked.push(local);
      return undefined;
    };
    const localAddresses = () => ['192.0.2.1', '192.0.2.2'];
    const socket = await openUdpSocket({ host: '0.0.0.0', port: 7, kind: 'plain', localAddresses });
    opened.push(socket);
    expect([asked, socket.mayAnswerFromAnotherAddress]).toEqual([[], true]);
  });

  it('send what goes to who used them, and the main one does once they are gone', async () => {
    const addresses = ['192.0.2.1', '192.0.2.2'];
    const { socket, systems } = await setUpAddresses(addresses);
    const used = () =>
      [...systems].filter(([, { callbacks }]) => callbacks.splice(0).length > 0).map(([local]) => local);
    const to = { address: '198.51.100.1', port: 5, local: '192.0.2.2' };
    const sendTo = () => {
      const batch = socket.acquireBatch() as TransmitBatch;
      socket.send(Object.assign(batch, { lengthBytes: 1, segmentBytes: 1, to }));
      const [sent] = [used()];
      socket.answer(new Uint8Array(32), to);
      return [sent, used()];
    };
    expect(sendTo()).toEqual([['192.0.2.2'], ['192.0.2.2']]);
    addresses.splice(0, 2, '192.0.2.1', '192.0.2.3');
    stage.now += 5_000;
    systems.get(undefined)?.arrive(new Uint8Array(32));
    expect(sendTo()).toEqual([[undefined], [undefined]]);
    to.local = '192.0.2.3';
    expect(sendTo()).toEqual([['192.0.2.3'], ['192.0.2.3']]);
  });
});
