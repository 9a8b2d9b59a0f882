import { createSocket, type Socket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { cLibrary } from '../src/c-library.js';
import {
  attachSteering,
  NativeOptions,
  type NativeSocketOptions,
  openDescriptor,
  openNativeSocket,
} from '../src/native-socket.js';
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
    expect(openDescriptor(v4, refusing)).toBeUndefined();
    expect(openNativeSocket(v4, (fd) => fd, refusing)).toBeUndefined();
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
    expect(options.fd).toBe(7);
    options.release();
    options.mayFragment = true;
    options.segmentBytes = 1472;
    options.sharesAddress = true;
    expect(set).toEqual(expected);
    expect([options.fd < 0, options.mayFragment, options.segmentBytes]).toEqual([true, false, 0]);
  });

  it('let others share the address only while they say so', () => {
    const set: [number, number][] = [];
    const options = new NativeOptions(recorder(set), 7);
    set.length = 0;
    for (const shares of [true, false]) options.sharesAddress = shares;
    expect(set).toEqual([
      [2, 1],
      [2, 0],
    ]);
  });

  it('are tried again when the system has refused them', () => {
    const missing = [10, 103];
    const set: [number, number][] = [];
    const options = new NativeOptions(recorder(set, missing), 7);
    set.length = 0;
    const setBoth = () => {
      options.mayFragment = true;
      options.segmentBytes = 1472;
      return [options.mayFragment, options.segmentBytes];
    };
    expect(setBoth()).toEqual([false, 0]);
    missing.length = 0;
    expect(setBoth()).toEqual([true, 1472]);
    expect(set.length).toBe(4);
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
    setsockopt: (fd: number, level: number, name: number, value: Uint8Array) => {
      const levels: Record<number, number> = { 2: 1, 10: 0, 103: 17, 104: 17 };
      expect([fd, level]).toEqual([7, levels[name]]);
      set.push([name, new DataView(value.buffer).getInt32(0, true)]);
      return missing.includes(name) ? -1 : 0;
    },
  };
}

describe('a native socket', () => {
  it('is never descriptor 0, which Node treats as no descriptor', () => {
    const { library, closed } = fake(0);
    expect(openNativeSocket(v4, (fd) => fd, library)).toBeUndefined();
    expect(closed).toEqual([0]);
  });

  // Linux's numbers: SOL_SOCKET 1, IPPROTO_IP 0, IPPROTO_IPV6 41; SO_REUSEADDR 2, SO_REUSEPORT 15, IP_MTU_DISCOVER 10,
  // IPV6_MTU_DISCOVER 23, IPV6_V6ONLY 26, SO_RCVBUFFORCE 33, SO_SNDBUFFORCE 32; PMTUDISC_PROBE 3.
  const buffers = ['set 1 33 65536', 'set 1 32 65536'];
  it.each<[string, Partial<NativeSocketOptions>, string[]]>([
    [
      'IPv4, with its port in network order',
      { host: '192.0.2.1', port: 0x1234 },
      ['socket 2 526338 0', 'set 0 10 3', 'bind 0200123401020304', ...buffers],
    ],
    [
      'one IPv6 address',
      { family: 'udp6', host: '2001:db8::1', port: 0x1234 },
      ['socket 10 526338 0', 'set 0 10 3', 'set 41 23 3', 'bind 0a0012340000000001020304', ...buffers],
    ],
    [
      'every address of both kinds',
      { family: 'udp6', host: '::' },
      [
        'socket 10 526338 0',
        'set 0 10 3',
        'set 41 23 3',
        'set 41 26 0',
        'bind 0a0000000000000001020304',
        ...buffers,
      ],
    ],
    [
      'an address that another socket shares for the moment',
      { sharesAddress: true },
      ['socket 2 526338 0', 'set 1 2 1', 'set 0 10 3', 'bind 0200000001020304', ...buffers],
    ],
    [
      'a port that others share',
      { sharesPort: true },
      ['socket 2 526338 0', 'set 1 15 1', 'set 0 10 3', 'bind 0200000001020304', ...buffers],
    ],
  ])('is opened and bound with its options set before: %s (spec mtu 1.4)', (_what, options, expected) => {
    const { library, calls } = logging();
    expect(openDescriptor({ ...v4, ...options }, library)).toBe(7);
    const host = { ...v4, ...options }.host;
    expect(calls).toEqual(expected.map((call) => call.replace('01020304', `address of ${host}`)));
  });

  it.each([10, 23, 26])('is not left open where the system refuses option %i (spec mtu 1.4)', (name) => {
    const { library, calls } = logging([name]);
    expect(openDescriptor(dual, library)).toBeUndefined();
    expect(calls.at(-1)).toBe('close 7');
    expect(calls.some((call) => call.startsWith('bind'))).toBe(false);
  });

  it('asks for large buffers where the system does not let it have them', () => {
    const { library, calls } = logging([33]);
    openDescriptor(v4, library);
    expect(calls.slice(-3)).toEqual(['set 1 33 65536', 'set 1 8 65536', 'set 1 32 65536']);
    const other = logging([32]);
    openDescriptor(v4, other.library);
    expect(other.calls.slice(-3)).toEqual(['set 1 33 65536', 'set 1 32 65536', 'set 1 7 65536']);
  });

  it('is ours alone once Node has adopted it', () => {
    const { library, calls } = logging();
    openNativeSocket(v4, () => calls.push('adopted'), library);
    expect(calls.slice(calls.indexOf('adopted'))).toEqual(['adopted', 'set 1 2 0']);
  });

  it('steers datagrams by a program, whose length and place the kernel is given', () => {
    const set: string[] = [];
    const calls = {
      ...fake(7).library,
      addressOf: () => 0x1234_5678_9abcn,
      setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => {
        set.push(`${fd} ${level} ${name} ${Buffer.from(value).toString('hex')} ${length}`);
        return set.length === 1 ? 0 : -1;
      },
    };
    expect(attachSteering(7, new Uint8Array(24), calls)).toBe(true);
    // struct sock_fprog of linux/filter.h: the number of instructions, and a pointer behind six bytes of padding.
    expect(set).toEqual(['7 1 51 0300000000000000bc9a785634120000 16']);
    expect(attachSteering(7, new Uint8Array(24), calls)).toBe(false);
  });

  it('is undefined when the system opens none', () => {
    const { library, closed } = fake(-1);
    expect(openNativeSocket(v4, (fd) => fd, library)).toBeUndefined();
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

/** A C library that writes its calls down, and refuses some options. An address is what `inet_pton` was asked for. */
function logging(refused: readonly number[] = []) {
  const calls: string[] = [];
  let asked = '';
  const library = {
    ...fake(7).library,
    socket: (...parameters: number[]) => {
      calls.push(`socket ${parameters.join(' ')}`);
      return 7;
    },
    setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => {
      expect([fd, value.length, length]).toEqual([7, 4, 4]);
      calls.push(`set ${level} ${name} ${new DataView(value.buffer).getInt32(0, true)}`);
      return refused.includes(name) ? -1 : 0;
    },
    inet_pton: (domain: number, text: string, address: Uint8Array) => {
      expect(address.length).toBe(domain === 2 ? 4 : 16);
      asked = text;
      address.set([1, 2, 3, 4]);
      return 1;
    },
    bind: (fd: number, address: Uint8Array, length: number) => {
      expect([fd, length]).toEqual([7, address.length]);
      expect(length).toBe(address[0] === 2 ? 16 : 28);
      const text = Buffer.from(address).toString('hex').replace('01020304', `address of ${asked}`);
      calls.push(`bind ${text.replace(/0+$/, '')}`);
      return 0;
    },
    close: (fd: number) => calls.push(`close ${fd}`),
  };
  return { library, calls };
}
