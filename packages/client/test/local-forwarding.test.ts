import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeProxyHeader, type LocalEnd, type LocalForward, SocketWatch } from '@underpass/forward';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Carrier } from '../src/carrier.js';
import { LocalForwarding } from '../src/local-forwarding.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';

const SPEC: LocalForward = {
  kind: 'local',
  text: '0:db.internal:5432',
  place: { bind: { kind: 'host', host: '127.0.0.1' }, port: 0 },
  target: { host: 'db.internal', port: 5432 },
};

interface Carried {
  readonly end: LocalEnd;
  readonly target: unknown;
  readonly nameOf: () => string;
}

/** A forward whose carrier is the test. */
async function setUp(more: Partial<LocalForward> = {}, admits = true) {
  const admitted: Socket[] = [];
  const carried: Carried[] = [];
  const forwarding = new LocalForwarding({ ...SPEC, ...more }, {
    admit: (socket: Socket) => {
      admitted.push(socket);
      onTestFinished(() => void socket.destroy());
      if (!admits) socket.destroy();
      return admits;
    },
    carry: (end: LocalEnd, target: unknown, nameOf: () => string) => carried.push({ end, target, nameOf }),
  } as unknown as Carrier);
  const bound = await forwarding.start();
  onTestFinished(() => forwarding.close());
  const program = (): Promise<Socket> => {
    const to = bound.path === undefined ? { port: bound.addresses[0]?.port ?? 0 } : { path: bound.path };
    const socket = connect({ host: '127.0.0.1', ...to }).on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    return once(socket, 'connect').then(() => socket);
  };
  return { forwarding, bound, admitted, carried, program };
}

/** What the target would get first. */
function firstBytesOf({ end }: Carried): Buffer {
  const stream = new FakeStream(0);
  const link = {
    tunnel: { attach: () => undefined, wake: () => undefined },
    watch: new SocketWatch(new FakeTimers()),
    observer: { onRefused: () => undefined, onEnd: () => undefined },
  };
  end.open(stream, link);
  return stream.written;
}

it('a local forward has each program carried to its target, under the name of the program', async () => {
  const { bound, carried, admitted, program } = await setUp();
  expect(bound).toEqual({
    spec: SPEC,
    addresses: [{ address: '127.0.0.1', port: expect.any(Number) }],
  });
  const { localPort } = await program();
  await vi.waitFor(() => expect(carried).toHaveLength(1));
  const [first] = carried as [Carried];
  expect([first.end.socket, first.target]).toEqual([admitted[0], SPEC.target]);
  expect(first.nameOf()).toBe(`127.0.0.1 port ${localPort}`);
  expect(String(firstBytesOf(first)).endsWith('db.internal\x15\x38')).toBe(true);
});

it('a local forward sends the header with the address of the program only if it says so (spec forwarding 2.8)', async () => {
  const { bound, carried, program } = await setUp({ proxyProtocol: true });
  const { localPort } = await program();
  await vi.waitFor(() => expect(carried).toHaveLength(1));
  const from = { address: '127.0.0.1', port: localPort as number };
  const header = encodeProxyHeader(from, bound.addresses[0]);
  expect(firstBytesOf(carried[0] as Carried).subarray(-header.length)).toEqual(Buffer.from(header));
});

it('a local forward does not carry a program that was not admitted', async () => {
  const { carried, admitted, program } = await setUp({}, false);
  const socket = await program();
  if (!socket.closed) await once(socket, 'close');
  expect([admitted.length, carried.length]).toEqual([1, 0]);
});

it('a local forward resets a program for which the relay was not reached, or permits no stream', async () => {
  const { carried, program } = await setUp();
  const refused: string[] = [];
  const link = {
    tunnel: { attach: () => undefined, wake: () => undefined },
    watch: new SocketWatch(new FakeTimers()),
    observer: { onRefused: (status: string) => refused.push(status), onEnd: () => undefined },
  };
  const ends: ((end: LocalEnd) => void)[] = [(end) => end.giveUp(), (end) => end.open(undefined, link)];
  for (const [index, fail] of ends.entries()) {
    const socket = await program();
    const failure = new Promise((resolve) => {
      socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
    });
    await vi.waitFor(() => expect(carried).toHaveLength(index + 1));
    fail((carried[index] as Carried).end);
    expect(await failure).toBe('ECONNRESET');
  }
  expect(refused).toEqual(['too-many-streams']);
});

it('a local forward of a unix socket calls its programs by it', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'underpass-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'db.sock');
  const { bound, carried, program } = await setUp({ place: { path: file } });
  expect(bound).toMatchObject({ addresses: [], path: file });
  await program();
  await vi.waitFor(() => expect(carried).toHaveLength(1));
  expect(carried[0]?.nameOf()).toBe(`unix:${file}`);
});

it('a local forward that is closed accepts no more programs, and leaves those it has alone', async () => {
  const { forwarding, carried, program } = await setUp();
  const socket = await program();
  await vi.waitFor(() => expect(carried).toHaveLength(1));
  forwarding.close();
  await expect(program()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(socket.destroyed).toBe(false);
});
