import { createSocket, type Socket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { cLibrary } from '../src/c-library.js';
import { NativeOptions, type NativeSocketOptions, openNativeSocket } from '../src/native-socket.js';
import { loadGetsockopt } from './socket-options.js';

const library = cLibrary();
const v4: NativeSocketOptions = { family: 'udp4', host: '127.0.0.1', port: 0, bufferBytes: 65_536 };
const dual: NativeSocketOptions = { ...v4, family: 'udp6', host: '::' };

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** Opens one, passes it to Node and returns its descriptor. */
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

  it('sets its options on IPv4 (spec mtu 1.4)', () => {
    const fd = openTracked(v4) as number;
    expect(getsockopt?.(fd, 'IPPROTO_IP', 'IP_MTU_DISCOVER')).toBe(3);
    expect(getsockopt?.(fd, 'SOL_SOCKET', 'SO_REUSEADDR')).toBe(0);
    // Linux doubles the value for its own use.
    expect(getsockopt?.(fd, 'SOL_SOCKET', 'SO_RCVBUF')).toBe(2 * 65_536);
    expect(getsockopt?.(fd, 'SOL_SOCKET', 'SO_SNDBUF')).toBe(2 * 65_536);
  });

  it.runIf(hasIpv6)('sets the options of both families on a dual-stack socket (spec mtu 1.4)', () => {
    const fd = openTracked(dual) as number;
    expect(getsockopt?.(fd, 'IPPROTO_IP', 'IP_MTU_DISCOVER')).toBe(3);
    expect(getsockopt?.(fd, 'IPPROTO_IPV6', 'IPV6_MTU_DISCOVER')).toBe(3);
    expect(getsockopt?.(fd, 'IPPROTO_IPV6', 'IPV6_V6ONLY')).toBe(0);
  });

  it('leaves no descriptor open when the address is invalid or belongs to another machine', () => {
    const before = descriptors();
    for (const host of ['192.0.2.1', 'localhost', '', 'fe80::1%lo', '::1']) {
      expect(openTracked({ ...v4, host })).toBeUndefined();
    }
    expect(descriptors()).toBe(before);
  });

  it('leaves no descriptor open when the port is taken', () => {
    expect(openTracked(v4)).toBeDefined();
    const { port } = (open[0] as Socket).address();
    const before = descriptors();
    expect(openTracked({ ...v4, port })).toBeUndefined();
    expect(descriptors()).toBe(before);
  });

  it('leaves no descriptor open when Node does not accept it', () => {
    const before = descriptors();
    const opened = openNativeSocket(v4, () => {
      throw new Error('not taken');
    });
    expect(opened).toBeUndefined();
    expect(descriptors()).toBe(before);
  });

  it.each(['setsockopt', 'bind'] as const)('returns nothing when %s fails', (name) => {
    const before = descriptors();
    const refusing = { ...(library as NonNullable<typeof library>), [name]: () => -1 };
    expect(openNativeSocket(v4, () => expect.unreachable(), refusing)).toBeUndefined();
    expect(descriptors()).toBe(before);
  });
});

describe('the options of a native socket', () => {
  it('are set only when they change, and never after the descriptor is released (spec mtu 1.4)', () => {
    const set: [number, number][] = [];
    const options = new NativeOptions(recorder(set), 7);
    // It may receive several datagrams at once, and sends what it is given as it is.
    expect(set).toEqual([
      [103, 0],
      [104, 1],
    ]);
    set.length = 0;
    for (const allowed of [false, true, true, false]) options.mayFragment = allowed;
    for (const bytes of [0, 1472, 1472, 0]) options.segmentBytes = bytes;
    const [mtuDiscover, segment] = [10, 103];
    const expected = [
      [mtuDiscover, 5],
      [mtuDiscover, 3],
      [segment, 1472],
      [segment, 0],
    ];
    expect(set).toEqual(expected);
    options.release();
    options.mayFragment = true;
    options.segmentBytes = 1472;
    expect(set).toEqual(expected);
  });

  it('say what the system supports', () => {
    const [segment, coalesce] = [103, 104];
    for (const missing of [[], [segment], [coalesce], [segment, coalesce]]) {
      const options = new NativeOptions(recorder([], missing), 7);
      expect(options.canSegment).toBe(!missing.includes(segment));
      expect(options.coalesces).toBe(!missing.includes(coalesce));
    }
  });
});

/** A C library that notes which options are set to what, and does not know those that are missing. */
function recorder(set: [number, number][], missing: readonly number[] = []) {
  return {
    ...fake(7).library,
    setsockopt: (_fd: number, _level: number, name: number, value: Uint8Array) => {
      set.push([name, new DataView(value.buffer).getInt32(0, true)]);
      return missing.includes(name) ? -1 : 0;
    },
  };
}

describe('a native socket', () => {
  it('is never descriptor 0, which Node treats as no descriptor', () => {
    const { library, closed } = fake(0);
    expect(openNativeSocket(v4, () => expect.unreachable(), library)).toBeUndefined();
    expect(closed).toEqual([0]);
  });

  it('is undefined when the system opens none', () => {
    const { library, closed } = fake(-1);
    expect(openNativeSocket(v4, () => expect.unreachable(), library)).toBeUndefined();
    expect(closed).toEqual([]);
  });

  it('stays open once Node has adopted it', () => {
    const { library, closed } = fake(7);
    expect(openNativeSocket(v4, (fd) => `adopted ${fd}`, library)).toBe('adopted 7');
    expect(closed).toEqual([]);
  });
});

/** A C library whose calls all succeed, with a record of the descriptors it closed. */
function fake(fd: number) {
  const closed: number[] = [];
  const calls = {
    socket: () => fd,
    setsockopt: () => 0,
    bind: () => 0,
    inet_pton: () => 1,
    inet_ntop: () => 1,
    if_indextoname: () => 1,
    recvmmsg: () => 0,
    sendto: () => -1,
    addressOf: () => 0n,
  };
  return { library: { ...calls, close: (which: number) => closed.push(which) }, closed };
}
