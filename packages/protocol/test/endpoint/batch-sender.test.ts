/** The contents of a batch: the size of its datagrams, their number, and when it ends (spec mtu 2, 5, path 2). */
import { describe, expect, it } from 'vitest';
import { BatchSender } from '../../src/endpoint/batch-sender.js';
import { TransmitBatch } from '../../src/endpoint/transmit-batch.js';
import { Path } from '../../src/transport/path/path.js';

const ADDRESS = { address: '192.0.2.1', port: 1000 };
const KEYPAIR = 7;
const BASE_BYTES = 1200;
const DATAGRAM_BYTES = 1424;

/** A sender with a connection that has packets of the given lengths to send; 'full' fills the room that it gets. */
function setUp(...packets: readonly (number | 'full')[]) {
  const path = new Path((length) => new Uint8Array(length));
  const waiting = [...packets];
  const log: string[] = [];
  const rooms: number[] = [];
  const state = {
    isHelloConfirmed: true,
    hasMessages: false,
    isClosing: false,
    /** The size of the MTU probe that is due. */
    probeBytes: undefined as number | undefined,
    hasProbe: true,
    keypairId: KEYPAIR,
  };
  const poll = (buffer: Uint8Array, at: number, room: number): number => {
    const next = waiting.shift();
    if (next === undefined) return 0;
    rooms.push(room);
    const length = next === 'full' ? room : Math.min(next, room);
    buffer.fill(1, at, at + length);
    return length;
  };
  const connection = {
    datagramBytes: DATAGRAM_BYTES,
    baseDatagramBytes: BASE_BYTES,
    isHelloConfirmed: () => state.isHelloConfirmed,
    handleHeldBack: () => log.push('held back'),
    mtuProbeBytes: () => state.probeBytes,
    pollMtuProbe: (_now: number, _into: Uint8Array, _at: number, room: number) => (state.hasProbe ? room : 0),
  };
  const association = {
    connection,
    get isClosing() {
      return state.isClosing;
    },
    get hasMessages() {
      return state.hasMessages;
    },
    endClosing: () => log.push('closed'),
    pollPacket: (_now: number, _id: number, buffer: Uint8Array, at: number, room: number) =>
      poll(buffer, at, room),
  };
  const session = {
    sendableKeypairId: () => state.keypairId,
    seal: (_now: number, _buffer: Uint8Array, _at: number, length: number, limit: number) => {
      const bytes = 32 + Math.max(length, Math.min(limit, Math.ceil(length / 16) * 16));
      path.onSent(bytes);
      return bytes;
    },
  };
  const sender = new BatchSender(session as never, path);
  const batch = new TransmitBatch();
  const fill = () => sender.fill(0, KEYPAIR, association as never, batch);
  const isAdmitted = () => sender.isAdmitted(connection as never, KEYPAIR);
  return { path, state, log, rooms, waiting, sender, batch, fill, isAdmitted };
}

const contents = ({ batch }: ReturnType<typeof setUp>) => ({
  segmentBytes: batch.segmentBytes,
  lengthBytes: batch.lengthBytes,
  mayFragment: batch.mayFragment,
});

describe('a batch to a proven address', () => {
  it('has as many datagrams of the path’s size as there are, up to the size of the buffer', () => {
    const world = setUp(...Array.from({ length: 60 }, () => 'full' as const));
    world.path.trust(ADDRESS);
    expect(world.fill()).toBe(true);
    const count = Math.floor(world.batch.buffer.length / DATAGRAM_BYTES);
    expect(contents(world)).toEqual({
      segmentBytes: DATAGRAM_BYTES,
      lengthBytes: count * DATAGRAM_BYTES,
      mayFragment: false,
    });
    expect(world.batch.to).toEqual(ADDRESS);
    expect(world.waiting).toHaveLength(60 - count);
  });

  it('fills the buffer to its last byte', () => {
    const world = setUp('full', 'full', 'full');
    world.path.trust(ADDRESS);
    Object.assign(world.batch, { buffer: new Uint8Array(2 * DATAGRAM_BYTES) });
    world.fill();
    expect(world.batch.lengthBytes).toBe(2 * DATAGRAM_BYTES);
  });

  it('ends with a shorter datagram, and is as long as that if it is the only one', () => {
    const world = setUp('full', 100, 'full', 100);
    world.path.trust(ADDRESS);
    world.fill();
    expect(contents(world)).toMatchObject({
      segmentBytes: DATAGRAM_BYTES,
      lengthBytes: DATAGRAM_BYTES + 32 + 112,
    });
    world.waiting.shift();
    world.fill();
    expect(contents(world)).toMatchObject({ segmentBytes: 144, lengthBytes: 144 });
    expect(world.fill()).toBe(false);
    expect(world.batch.lengthBytes).toBe(0);
  });

  it.each([
    ['whose first datagram is short takes its size for the others, if these are messages', true, true, 3],
    ['ends with a short datagram if there are no messages', false, true, 1],
    ['ends with a short datagram if packets still need a HELLO', true, false, 1],
  ])('%s', (_name, hasMessages, isHelloConfirmed, count) => {
    const world = setUp(112, 112, 112);
    world.path.trust(ADDRESS);
    Object.assign(world.state, { hasMessages, isHelloConfirmed });
    world.fill();
    expect(contents(world)).toMatchObject({ segmentBytes: 144, lengthBytes: count * 144 });
    const first = DATAGRAM_BYTES - 32;
    expect(world.rooms).toEqual([first, 112, 112].slice(0, count));
  });

  it('ends when the keypair can no longer be used', () => {
    const world = setUp('full', 'full');
    world.path.trust(ADDRESS);
    world.state.keypairId = KEYPAIR + 1;
    world.fill();
    expect(world.batch.lengthBytes).toBe(DATAGRAM_BYTES);
  });

  it('ends with CLOSE, after which the connection has ended', () => {
    const world = setUp('full', 'full');
    world.path.trust(ADDRESS);
    world.state.isClosing = true;
    expect(world.fill()).toBe(true);
    expect(world.batch.lengthBytes).toBe(DATAGRAM_BYTES);
    expect(world.log).toEqual(['closed']);
  });

  it('may be cut into fragments if its datagrams have the base size, and only then (spec mtu 1.4)', () => {
    const world = setUp('full', 'full');
    world.path.trust(ADDRESS);
    world.fill();
    expect(world.batch.mayFragment).toBe(false);
    const small = setUp('full');
    small.path.onReceived(0, { from: ADDRESS, bytes: 9_000, isNewest: true });
    small.fill();
    expect(small.batch.mayFragment).toBe(true);
  });
});

describe('an MTU probe', () => {
  it('has a batch of its own, which must not be cut into fragments (spec mtu 2.1)', () => {
    const world = setUp('full');
    world.path.trust(ADDRESS);
    world.state.probeBytes = 1456;
    expect(world.fill()).toBe(true);
    expect(contents(world)).toEqual({ segmentBytes: 1456, lengthBytes: 1456, mayFragment: false });
    expect(world.batch.to).toEqual(ADDRESS);
    expect(world.waiting).toHaveLength(1);
  });

  it.each([
    ['there is none', { probeBytes: undefined }],
    ['it is not written after all', { hasProbe: false }],
    ['the connection is closing', { isClosing: true }],
    ['packets still need a HELLO', { isHelloConfirmed: false }],
  ])('does not delay other packets if %s', (_name, differences) => {
    const world = setUp('full');
    world.path.trust(ADDRESS);
    Object.assign(world.state, { probeBytes: 1456, ...differences });
    expect(world.fill()).toBe(true);
    expect(contents(world)).toEqual({
      segmentBytes: DATAGRAM_BYTES,
      lengthBytes: DATAGRAM_BYTES,
      mayFragment: false,
    });
  });

  it('is not sent to an address that is not proven (spec mtu 5)', () => {
    const world = setUp('full');
    world.state.probeBytes = 1456;
    world.path.onReceived(0, { from: ADDRESS, bytes: 9_000, isNewest: true });
    expect(world.fill()).toBe(true);
    expect(world.batch.segmentBytes).toBe(BASE_BYTES);
  });
});

describe('a batch to an address that is not proven', () => {
  it('has datagrams of the base size, and takes no more than the allowance (spec mtu 5, path 2)', () => {
    const world = setUp('full', 'full', 'full', 'full');
    world.path.onReceived(0, { from: ADDRESS, bytes: BASE_BYTES, isNewest: true });
    world.fill();
    expect(contents(world)).toEqual({
      segmentBytes: BASE_BYTES,
      lengthBytes: 3 * BASE_BYTES,
      mayFragment: true,
    });
    expect(world.path.allowanceBytes).toBe(0);
  });

  // Three times an initiation is 444 bytes.
  it('has one datagram of a whole number of blocks if the allowance is smaller than the base (spec mtu 1.1: "MUST be multiples of 16")', () => {
    const world = setUp('full', 'full');
    world.path.onReceived(0, { from: ADDRESS, bytes: 148, isNewest: true });
    world.fill();
    expect(contents(world)).toEqual({ segmentBytes: 432, lengthBytes: 432, mayFragment: true });
    expect(world.rooms).toEqual([400]);
  });

  // spec path 2: what is due waits for the peer's next datagram
  it.each([
    [true, 63, false],
    [true, 66, true],
    [false, 189, false],
    [false, 192, true],
  ])(
    'waits if the allowance does not permit a useful one (HELLO confirmed: %s, %i bytes)',
    (isHelloConfirmed, allowance, isAdmitted) => {
      const world = setUp('full');
      world.state.isHelloConfirmed = isHelloConfirmed;
      world.path.onReceived(0, { from: ADDRESS, bytes: allowance / 3, isNewest: true });
      expect(world.path.allowanceBytes).toBe(allowance);
      expect(world.isAdmitted()).toBe(isAdmitted);
      expect(world.sender.isHeldBack).toBe(!isAdmitted);
      expect(world.log).toEqual(isAdmitted ? [] : ['held back']);
    },
  );
});
