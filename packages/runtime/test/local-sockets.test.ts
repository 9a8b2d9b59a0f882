import { describe, expect, it } from 'vitest';
import {
  ambiguousAddresses,
  LocalSockets,
  MAX_LOCAL_SOCKETS,
  REFRESH_INTERVAL_MS,
} from '../src/local-sockets.js';
import type { SystemSocket } from '../src/system-socket.js';

describe('the addresses that need a socket of their own (spec path 6)', () => {
  it.each([
    [
      'none for one address of each kind',
      ['127.0.0.1', '::1', '192.0.2.1', '2001:db8::1', 'fe80::1', 'fe80::2'],
      [],
    ],
    ['two IPv4 addresses', ['127.0.0.1', '192.0.2.1', '172.17.0.1'], ['192.0.2.1', '172.17.0.1']],
    ['two IPv6 addresses', ['192.0.2.1', '2001:db8::1', 'fd00::1', 'fe80::1'], ['2001:db8::1', 'fd00::1']],
    ['two loopback addresses', ['127.0.0.1', '127.0.0.2', '192.0.2.1'], ['127.0.0.1', '127.0.0.2']],
    [
      'two addresses of each kind',
      ['::1', '127.0.0.2', '192.0.2.1', '2001:db8::1', '127.0.0.1', '192.0.2.2'],
      ['127.0.0.2', '127.0.0.1', '192.0.2.1', '192.0.2.2'],
    ],
    ['three of a kind', ['192.0.2.3', '192.0.2.1', '192.0.2.2'], ['192.0.2.3', '192.0.2.1', '192.0.2.2']],
    ['none for the same address on two interfaces', ['192.0.2.1', '192.0.2.1'], []],
    ['none for link-local ones (fe80::/10)', ['fe80::1', 'FE9f::1', 'feA0::1', 'febf::1'], []],
    ['those beside the link-local ones', ['fe7f::1', 'fec0::1'], ['fe7f::1', 'fec0::1']],
    ['none for what is no address', ['eth0', 'eth1'], []],
  ])('are %s', (_, addresses, ambiguous) => {
    expect(ambiguousAddresses(addresses)).toEqual(ambiguous);
  });
});

/** Sockets that only record calls. @param refused  addresses that cannot be bound */
function setUp(addresses: readonly string[], mainAddress = '::', refused: readonly string[] = []) {
  const state = {
    addresses,
    now: 0,
    looks: 0,
    opened: [] as string[],
    closed: [] as string[],
    /** Those that have finished closing. */
    ended: [] as string[],
    shared: [] as boolean[],
    /** What the owner was told of. */
    reported: [] as string[],
  };
  const main = {
    address: { address: mainAddress, port: 51_820 },
    options: {
      set sharesAddress(shares: boolean) {
        state.shared.push(shares);
        state.opened.push(shares ? 'sharing' : 'alone');
      },
    },
  };
  const sockets = new LocalSockets({
    main: main as unknown as SystemSocket,
    localAddresses: () => {
      state.looks++;
      return state.addresses;
    },
    onOpened: (socket) => state.reported.push(socket.textOf({ address: '', port: 0 })),
    now: () => state.now,
    open: ({ family, host, port, local }) => {
      if (refused.includes(host)) return undefined;
      state.opened.push(`${family} ${host} ${port}`);
      const close = async () => {
        state.closed.push(host);
        await new Promise(setImmediate);
        state.ended.push(host);
      };
      return { close, textOf: () => `${host} for ${local}` } as unknown as SystemSocket;
    },
  });
  return { sockets, state };
}

describe('a socket for each address (spec path 6)', () => {
  it('is opened where the system has a choice, sharing the port only for that moment', () => {
    const { sockets, state } = setUp(['127.0.0.1', '192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2']);
    expect(state.opened).toEqual([
      'sharing',
      'udp4 192.0.2.1 51820',
      'udp4 192.0.2.2 51820',
      'udp6 2001:db8::1 51820',
      'udp6 2001:db8::2 51820',
      'alone',
    ]);
    const addresses = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'];
    expect(state.reported).toEqual(addresses.map((address) => `${address} for ${address}`));
    expect(sockets.get('192.0.2.2')).toBeDefined();
    expect(sockets.get('127.0.0.1')).toBeUndefined();
  });

  it('is not opened on a machine with one address of each kind', () => {
    const { state } = setUp(['127.0.0.1', '::1', '192.0.2.1', '2001:db8::1']);
    expect([state.opened, state.shared]).toEqual([[], []]);
  });

  it('is opened for IPv4 addresses only if the main socket is IPv4', () => {
    const { sockets } = setUp(['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'], '0.0.0.0');
    expect(sockets.addresses).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  it('opens and closes with its address, which is checked at most every 5 s when the main socket receives', () => {
    const { sockets, state } = setUp(['192.0.2.1']);
    state.addresses = ['192.0.2.1', '192.0.2.2'];
    state.now = REFRESH_INTERVAL_MS - 1;
    for (let i = 0; i < 100; i++) sockets.onMainDatagram();
    expect(state.looks).toBe(1);
    state.now++;
    for (let i = 0; i < 100; i++) sockets.onMainDatagram();
    expect(state.looks).toBe(2);
    expect(sockets.addresses).toEqual(['192.0.2.1', '192.0.2.2']);
    state.addresses = ['192.0.2.2', '192.0.2.3'];
    state.now += REFRESH_INTERVAL_MS;
    sockets.onMainDatagram();
    expect(sockets.addresses).toEqual(['192.0.2.2', '192.0.2.3']);
    expect(state.closed).toEqual(['192.0.2.1']);
    // The one that stayed was neither opened again nor reported again.
    expect(state.opened.filter((what) => what.startsWith('udp'))).toEqual([
      'udp4 192.0.2.1 51820',
      'udp4 192.0.2.2 51820',
      'udp4 192.0.2.3 51820',
    ]);
    expect(state.reported.length).toBe(3);
    expect(sockets.get('192.0.2.1')).toBeUndefined();
    // Whoever has just read the addresses need not read them again.
    state.now += REFRESH_INTERVAL_MS - 1;
    sockets.refresh();
    state.now += REFRESH_INTERVAL_MS - 1;
    const { looks } = state;
    sockets.onMainDatagram();
    expect(state.looks).toBe(looks);
    expect(state.shared).toEqual([true, false, true, false]);
  });

  it('is tried again later if the address cannot be bound yet', () => {
    const { sockets, state } = setUp(['2001:db8::1', '2001:db8::2'], '::', ['2001:db8::2']);
    expect(sockets.addresses).toEqual(['2001:db8::1']);
    expect(state.shared).toEqual([true, false]);
    expect(state.reported).toEqual(['2001:db8::1 for 2001:db8::1']);
    sockets.refresh();
    expect(state.shared).toEqual([true, false, true, false]);
  });

  it('exists for a limited number of addresses, and closes with the others', async () => {
    const many = Array.from({ length: MAX_LOCAL_SOCKETS + 10 }, (_, i) => `192.0.2.${i + 1}`);
    const { sockets, state } = setUp(many);
    expect(sockets.addresses).toHaveLength(MAX_LOCAL_SOCKETS);
    await sockets.close();
    expect(state.ended).toHaveLength(MAX_LOCAL_SOCKETS);
    expect(sockets.addresses).toEqual([]);
    expect(sockets.get('192.0.2.1')).toBeUndefined();
  });
});
