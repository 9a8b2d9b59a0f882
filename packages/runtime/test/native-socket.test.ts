import { createSocket, type Socket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterEach, describe, expect, it } from 'vitest';
import { cLibrary, type NativeSocketOptions, openNativeSocket } from '../src/native-socket.js';

const library = cLibrary();
const v4: NativeSocketOptions = { family: 'udp4', host: '127.0.0.1', port: 0, bufferBytes: 65_536 };
const dual: NativeSocketOptions = { ...v4, family: 'udp6', host: '::' };

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** Opens one, gives it to Node, and tells its descriptor. */
function openTracked(options: NativeSocketOptions): number | undefined {
  return openNativeSocket(options, (fd) => {
    const socket = createSocket(options.family);
    socket.bind({ fd, exclusive: true });
    open.push(socket);
    return fd;
  });
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

describe.skipIf(library === undefined)('a native socket, with koffi, which is optional', () => {
  const hasIpv6 = library !== undefined && openTracked(dual) !== undefined;
  const getsockopt = library && loadGetsockopt();

  it('has the options on IPv4 (spec mtu 1.4)', () => {
    const fd = openTracked(v4) as number;
    expect(getsockopt?.(fd, 'IPPROTO_IP', 'IP_MTU_DISCOVER')).toBe(3);
    expect(getsockopt?.(fd, 'SOL_SOCKET', 'SO_REUSEADDR')).toBe(0);
    // Linux doubles it for its own use.
    expect(getsockopt?.(fd, 'SOL_SOCKET', 'SO_RCVBUF')).toBe(2 * 65_536);
    expect(getsockopt?.(fd, 'SOL_SOCKET', 'SO_SNDBUF')).toBe(2 * 65_536);
  });

  it.runIf(hasIpv6)('has those of both families on a dual-stack socket (spec mtu 1.4)', () => {
    const fd = openTracked(dual) as number;
    expect(getsockopt?.(fd, 'IPPROTO_IP', 'IP_MTU_DISCOVER')).toBe(3);
    expect(getsockopt?.(fd, 'IPPROTO_IPV6', 'IPV6_MTU_DISCOVER')).toBe(3);
    expect(getsockopt?.(fd, 'IPPROTO_IPV6', 'IPV6_V6ONLY')).toBe(0);
  });

  it('leaves no descriptor open when the address is not this machine’s, or is none', () => {
    const before = descriptors();
    for (const host of ['192.0.2.1', 'localhost', '', 'fe80::1%lo', '::1']) {
      expect(openTracked({ ...v4, host })).toBeUndefined();
    }
    expect(descriptors()).toBe(before);
  });

  it('leaves none open when the port is taken', () => {
    expect(openTracked(v4)).toBeDefined();
    const { port } = (open[0] as Socket).address();
    const before = descriptors();
    expect(openTracked({ ...v4, port })).toBeUndefined();
    expect(descriptors()).toBe(before);
  });

  it('leaves none open when Node does not take it', () => {
    const before = descriptors();
    const opened = openNativeSocket(v4, () => {
      throw new Error('not taken');
    });
    expect(opened).toBeUndefined();
    expect(descriptors()).toBe(before);
  });

  it.each(['setsockopt', 'bind'] as const)('gives up quietly when %s is refused', (name) => {
    const before = descriptors();
    const refusing = { ...(library as NonNullable<typeof library>), [name]: () => -1 };
    expect(openNativeSocket(v4, () => expect.unreachable(), refusing)).toBeUndefined();
    expect(descriptors()).toBe(before);
  });
});

describe('a native socket', () => {
  /** A C library whose calls all succeed, and which descriptors it closed. */
  function fake(fd: number) {
    const closed: number[] = [];
    const calls = { socket: () => fd, setsockopt: () => 0, bind: () => 0, inet_pton: () => 1 };
    return { library: { ...calls, close: (which: number) => closed.push(which) }, closed };
  }

  it('is not descriptor 0, which Node would take for none', () => {
    const { library, closed } = fake(0);
    expect(openNativeSocket(v4, () => expect.unreachable(), library)).toBeUndefined();
    expect(closed).toEqual([0]);
  });

  it('is none when the system gives none', () => {
    const { library, closed } = fake(-1);
    expect(openNativeSocket(v4, () => expect.unreachable(), library)).toBeUndefined();
    expect(closed).toEqual([]);
  });

  it('stays open when it was adopted', () => {
    const { library, closed } = fake(7);
    expect(openNativeSocket(v4, (fd) => `adopted ${fd}`, library)).toBe('adopted 7');
    expect(closed).toEqual([]);
  });
});

/** Linux's numbers, written down a second time. */
const LEVELS = { SOL_SOCKET: 1, IPPROTO_IP: 0, IPPROTO_IPV6: 41 };
const OPTIONS = {
  SO_REUSEADDR: 2,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  IP_MTU_DISCOVER: 10,
  IPV6_MTU_DISCOVER: 23,
  IPV6_V6ONLY: 26,
};

function loadGetsockopt() {
  type Get = (fd: number, level: number, name: number, value: Int32Array, length: number[]) => number;
  const koffi = createRequire(import.meta.url)('koffi') as {
    load(path: null): { func(prototype: string): Get };
  };
  const get = koffi
    .load(null)
    .func('int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)');
  return (fd: number, level: keyof typeof LEVELS, name: keyof typeof OPTIONS): number => {
    const value = new Int32Array(1);
    expect(get(fd, LEVELS[level], OPTIONS[name], value, [4])).toBe(0);
    return value[0] as number;
  };
}
