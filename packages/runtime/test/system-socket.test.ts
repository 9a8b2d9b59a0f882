import { Socket } from 'node:dgram';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { NativeOptions } from '../src/native-socket.js';
import { askForBuffer, type Family, literalLookup, openPlain, SystemSocket } from '../src/system-socket.js';

/** A socket whose queue the test fills, with a record of what is done to it. */
function setUp(family: Family = 'udp4', hasOptions = true, local?: string) {
  const state = { queued: 0, calls: [] as string[] };
  const options = { mayFragment: false, segmentBytes: 0, release: () => state.calls.push('release') };
  const socket = {
    address: () => ({ address: family === 'udp4' ? '192.0.2.1' : '::ffff:192.0.2.1', port: 7 }),
    getSendQueueCount: () => state.queued,
    close: (closed: () => void) => {
      state.calls.push('close');
      closed();
    },
  };
  const system = new SystemSocket(
    socket as unknown as Socket,
    family,
    hasOptions ? (options as unknown as NativeOptions) : undefined,
    local,
  );
  return { system, state, set: () => [options.mayFragment, options.segmentBytes] };
}

describe('a socket of the system', () => {
  it('writes addresses as its family needs them, and reads them as the protocol does', () => {
    const [four, six] = [setUp('udp4').system, setUp('udp6').system];
    const [v4, v6] = [
      { address: '192.0.2.9', port: 1 },
      { address: '2001:db8::9', port: 1 },
    ];
    expect([four.textOf(v4), six.textOf(v4), six.textOf(v6)]).toEqual([
      '192.0.2.9',
      '::ffff:192.0.2.9',
      '2001:db8::9',
    ]);
    expect([four.address, six.address]).toEqual([
      { address: '192.0.2.1', port: 7 },
      { address: '192.0.2.1', port: 7 },
    ]);
    expect(six.senderOf('::ffff:192.0.2.9', 1)).toEqual(v4);
    const bound = setUp('udp4', true, '192.0.2.1').system;
    expect(bound.senderOf('192.0.2.9', 1)).toEqual({ ...v4, local: '192.0.2.1' });
  });

  it('changes how it sends only when nothing waits that was sent otherwise (spec mtu 1.4)', () => {
    const { system, state, set } = setUp();
    for (const [mayFragment, segmentBytes, queued, isReady, after] of [
      [false, 0, 9, true, [false, 0]], // as it is
      [undefined, 0, 9, true, [false, 0]],
      [true, 0, 1, false, [false, 0]],
      [false, 1472, 1, false, [false, 0]],
      [true, 1472, 0, true, [true, 1472]],
      [undefined, 1472, 9, true, [true, 1472]],
      [undefined, 0, 0, true, [true, 0]],
      [false, 0, 0, true, [false, 0]],
    ] as const) {
      state.queued = queued;
      expect(system.prepare(mayFragment, segmentBytes)).toBe(isReady);
      expect(set()).toEqual(after);
    }
  });

  it('has nothing to change where Node has opened it', () => {
    const { system, state } = setUp('udp4', false);
    state.queued = 9;
    expect(system.prepare(true, 1472)).toBe(true);
  });

  it('forgets its descriptor before Node closes it, because the system soon gives the number to another file', async () => {
    const { system, state } = setUp();
    expect(system.isClosed).toBe(false);
    const closed = system.close();
    expect(system.isClosed).toBe(true);
    await closed;
    expect(state.calls).toEqual(['release', 'close']);
    await setUp('udp4', false).system.close();
  });
});

describe('a larger buffer', () => {
  const [MIB, KIB] = [1024 * 1024, 1024];

  it('is asked for in half the size until the system agrees, or it is not worth it', () => {
    const asked: number[] = [];
    askForBuffer((bytes) => {
      asked.push(bytes);
      if (bytes > MIB) throw new Error('ENOBUFS');
    });
    expect(asked.splice(0)).toEqual([4 * MIB, 2 * MIB, MIB]);
    askForBuffer((bytes) => {
      asked.push(bytes);
      throw new Error('ENOBUFS');
    });
    expect(asked).toEqual([4 * MIB, 2 * MIB, MIB, 512 * KIB, 256 * KIB, 128 * KIB]);
  });
});

it('an address is looked up without waiting', () => {
  const found: unknown[] = [];
  for (const address of ['192.0.2.1', '2001:db8::1']) {
    literalLookup(address, {}, (...answer) => found.push(answer));
  }
  expect(found).toEqual([
    [null, '192.0.2.1', 4],
    [null, '2001:db8::1', 6],
  ]);
});

describe('a socket that Node opens', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('asks for large buffers in both directions, and leaves errors to its owner', async () => {
    const asked = [
      vi.spyOn(Socket.prototype, 'setRecvBufferSize'),
      vi.spyOn(Socket.prototype, 'setSendBufferSize'),
    ];
    const system = await openPlain('udp4', '127.0.0.1', 0);
    for (const calls of asked) expect(calls.mock.calls[0]).toEqual([4 * 1024 * 1024]);
    expect(system.options).toBeUndefined();
    expect(system.socket.listenerCount('error')).toBe(0);
    await system.close();
  });

  it('is closed again if it cannot be bound', async () => {
    const closed = vi.spyOn(Socket.prototype, 'close');
    await expect(openPlain('udp4', '192.0.2.1', 0)).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
    expect(closed).toHaveBeenCalledOnce();
  });
});
