/** Captures, block by block and byte by byte (draft-ietf-opsawg-pcapng, RFC 791, RFC 8200, RFC 768). */
import { Capture, type CapturedDatagram } from '@underpass/trace';
import { describe, expect, it } from 'vitest';
import { MAX_WAITING_LINES } from '../../src/pcapng/capture.js';
import { captureDatagram, captureSecrets, captureStart } from '../../src/pcapng/pcapng.js';

const AT_UNIX_MS = 1_700_000_000_123 + 0.4567;
const V4 = { address: '192.0.2.1', port: 51_820 };
const OTHER_V4 = { address: '198.51.100.7', port: 40_000 };
const V6 = { address: '2001:db8::1', port: 51_820 };
const OTHER_V6 = { address: '2001:db8::ff', port: 40_000 };
const ANY = { address: '::', port: 51_820 };

interface Block {
  readonly type: number;
  readonly body: Buffer;
}

/** Reads blocks. Each has its length in front and behind, a multiple of 4. */
function blocks(bytes: Uint8Array): Block[] {
  const rest = Buffer.from(bytes);
  const found: Block[] = [];
  for (let at = 0; at < rest.length; ) {
    const length = rest.readUInt32LE(at + 4);
    expect(length % 4).toBe(0);
    expect(rest.readUInt32LE(at + length - 4)).toBe(length);
    found.push({ type: rest.readUInt32LE(at), body: rest.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return found;
}

function onlyBlock(bytes: Uint8Array): Block {
  const [block, ...more] = blocks(bytes);
  expect(more).toEqual([]);
  return block as Block;
}

/** Reads options up to the one that ends them, which has to be the last. Each is padded to a multiple of 4. */
function options(bytes: Buffer): [code: number, value: string][] {
  const found: [number, string][] = [];
  let at = 0;
  for (;;) {
    const code = bytes.readUInt16LE(at);
    const length = bytes.readUInt16LE(at + 2);
    const value = bytes.subarray(at + 4, at + 4 + length).toString('latin1');
    at += 4 + 4 * Math.ceil(length / 4);
    if (code === 0) break;
    found.push([code, value]);
  }
  expect(at).toBe(bytes.length);
  return found;
}

/** The fields of the block of a datagram. */
function packetOf(datagram: Partial<CapturedDatagram>) {
  const { type, body } = onlyBlock(
    captureDatagram({
      atUnixMs: AT_UNIX_MS,
      from: OTHER_V4,
      to: V4,
      bytes: Uint8Array.of(1, 2, 3),
      ...datagram,
    }),
  );
  const length = body.readUInt32LE(12);
  const optionsAt = 20 + 4 * Math.ceil(length / 4);
  return {
    type,
    interfaceId: body.readUInt32LE(0),
    microseconds: body.readUInt32LE(4) * 2 ** 32 + body.readUInt32LE(8),
    lengthOnTheWire: body.readUInt32LE(16),
    ip: body.subarray(20, 20 + length),
    options: body.length > optionsAt ? options(body.subarray(optionsAt)) : [],
  };
}

/** The one's complement sum of 16-bit words: 0xffff if the checksum within is right (RFC 1071). */
function checkedSum(...parts: Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) {
      sum += (part[i] as number) * (i % 2 === 0 ? 256 : 1);
      if (sum > 0xffff) sum -= 0xffff;
    }
  }
  return sum;
}

describe('the start of a capture', () => {
  it('is one section, version 1.0, of unknown length, and one interface without a limit', () => {
    const [section, description, ...more] = blocks(captureStart('underpass 0.1.0', 'client')) as [
      Block,
      Block,
    ];
    expect(more).toEqual([]);
    expect(section.type).toBe(0x0a0d0d0a);
    expect(section.body.subarray(0, 16).toString('hex')).toBe('4d3c2b1a01000000ffffffffffffffff');
    expect(options(section.body.subarray(16))).toEqual([[4, 'underpass 0.1.0']]);
    expect(description.type).toBe(1);
    expect(description.body.subarray(0, 8).toString('hex')).toBe('6500000000000000');
    expect(options(description.body.subarray(8))).toEqual([
      [2, 'client'],
      [9, '\u0006'], // microseconds
    ]);
  });

  it('shows what is not printable ASCII as a question mark', () => {
    const [section] = blocks(captureStart('tünnel\n~ !', 'client')) as [Block];
    expect(options(section.body.subarray(16))).toEqual([[4, 't?nnel?~ !']]);
  });
});

it('secrets are one block with the lines of a WireGuard key log', () => {
  const { type, body } = onlyBlock(captureSecrets(['A = 1', 'BC = 2']));
  expect(type).toBe(10);
  expect(body.readUInt32LE(0)).toBe(0x57474b4c);
  expect(body.readUInt32LE(4)).toBe(13);
  expect(body.subarray(8).toString('latin1')).toBe('A = 1\nBC = 2\n\0\0\0');
});

describe('the block of a datagram', () => {
  it('has the time, rounded to microseconds, and both lengths', () => {
    const packet = packetOf({});
    expect(packet).toMatchObject({ type: 6, interfaceId: 0, options: [] });
    expect(packet.microseconds).toBe(1_700_000_000_123_457);
    expect([packet.ip.length, packet.lengthOnTheWire]).toEqual([31, 31]);
  });

  it('has the direction and the comment as options', () => {
    expect(packetOf({ direction: 'received' }).options).toEqual([[2, '\u0001\0\0\0']]);
    expect(packetOf({ direction: 'sent', comment: 'lost ✗' }).options).toEqual([
      [2, '\u0002\0\0\0'],
      [1, 'lost ?'],
    ]);
  });

  it.each([
    ['an even number of bytes', [1, 2, 3, 4]],
    ['an odd number of bytes', [1, 2, 3]],
    ['no bytes', []],
    ['many large words', new Array(1_400).fill(255)],
  ])('is UDP over IPv4 with correct checksums, for %s', (_what, bytes) => {
    const { ip } = packetOf({ bytes: Uint8Array.from(bytes) });
    const header = ip.subarray(0, 20);
    const udp = ip.subarray(20);
    expect(ip.readUInt16BE(0)).toBe(0x4500); // version 4, five words, no class
    expect(ip.readUInt16BE(2)).toBe(28 + bytes.length);
    expect(ip.readUInt32BE(4)).toBe(0x0000_4000); // no identification, not to be fragmented
    expect([ip[8], ip[9]]).toEqual([64, 17]);
    expect(header.subarray(12).toString('hex')).toBe('c6336407c0000201');
    expect(checkedSum(header)).toBe(0xffff);
    expect([udp.readUInt16BE(0), udp.readUInt16BE(2), udp.readUInt16BE(4)]).toEqual([
      40_000,
      51_820,
      8 + bytes.length,
    ]);
    expect([...udp.subarray(8)]).toEqual([...bytes]);
    expect(checkedSum(header.subarray(12), Uint8Array.of(0, 17), udp.subarray(4, 6), udp)).toBe(0xffff);
  });

  it('is UDP over IPv6 with a correct checksum', () => {
    const { ip } = packetOf({ from: OTHER_V6, to: V6 });
    const udp = ip.subarray(40);
    expect(ip.subarray(0, 8).toString('hex')).toBe('60000000000b1140');
    expect(ip.subarray(8, 24).toString('hex')).toBe('20010db80000000000000000000000ff');
    expect(ip.subarray(24, 40).toString('hex')).toBe('20010db8000000000000000000000001');
    expect(udp.subarray(0, 6).toString('hex')).toBe('9c40ca6c000b');
    expect([...udp.subarray(8)]).toEqual([1, 2, 3]);
    expect(checkedSum(ip.subarray(8, 40), Uint8Array.of(0, 17), udp.subarray(4, 6), udp)).toBe(0xffff);
  });

  it('has a checksum of 0xffff where it would be zero, which stands for none (RFC 768)', () => {
    const { ip } = packetOf({ bytes: new Uint8Array(2) });
    const bytes = new Uint8Array(2);
    new DataView(bytes.buffer).setUint16(0, ip.readUInt16BE(26)); // what is missing to 0xffff
    const udp = packetOf({ bytes }).ip.subarray(20);
    expect(udp.readUInt16BE(6)).toBe(0xffff);
  });

  it.each([
    ['from a socket for all addresses', ANY, V4, '00000000c0000201'],
    ['to a socket for all addresses', V4, ANY, 'c000020100000000'],
    ['from a mapped address', { ...V4, address: '::ffff:192.0.2.1' }, OTHER_V4, 'c0000201c6336407'],
  ])('is IPv4 if one of its addresses is, such as %s', (_what, from, to, addresses) => {
    const { ip } = packetOf({ from, to });
    expect(ip[0]).toBe(0x45);
    expect(ip.subarray(12, 20).toString('hex')).toBe(addresses);
  });

  it('has the unspecified address in place of what is not an IP literal', () => {
    const { ip } = packetOf({ from: { address: 'somewhere', port: 1 }, to: { address: 'else', port: 2 } });
    expect(ip[0]).toBe(0x60);
    expect(ip.subarray(8, 40)).toEqual(Buffer.alloc(32));
    expect(ip.length).toBe(40 + 8 + 3);
  });
});

describe('a capture', () => {
  const datagram = { atUnixMs: AT_UNIX_MS, from: V4, to: OTHER_V4, bytes: Uint8Array.of(4) };

  /** What a capture has written, and whether it may write more. */
  function recorded() {
    const state = { isFull: false, written: [] as Uint8Array[] };
    const write = (bytes: Uint8Array): boolean => {
      if (!state.isFull) state.written.push(bytes);
      return !state.isFull;
    };
    const capture = new Capture({ application: 'underpass', interfaceName: 'relay', write });
    const types = () => state.written.flatMap(blocks).map(({ type }) => type);
    return { state, capture, types };
  }

  it('has the secrets that have come in front of the next datagram, once', () => {
    const { capture, types, state } = recorded();
    expect(state.written).toEqual([captureStart('underpass', 'relay')]);
    expect(capture.handleDatagram(datagram)).toBe(true);
    capture.handleKeyLogLine('A = 1');
    capture.handleKeyLogLine('B = 2');
    expect(types()).toEqual([0x0a0d0d0a, 1, 6]);
    expect(capture.handleDatagram(datagram)).toBe(true);
    expect(capture.handleDatagram(datagram)).toBe(true);
    expect(types()).toEqual([0x0a0d0d0a, 1, 6, 10, 6, 6]);
    expect(Buffer.from(state.written[1] as Uint8Array)).toEqual(Buffer.from(captureDatagram(datagram)));
    expect(Buffer.from(state.written[2] as Uint8Array)).toEqual(
      Buffer.from(captureSecrets(['A = 1', 'B = 2'])),
    );
  });

  it('keeps secrets that could not be written for the next datagram', () => {
    const { capture, types, state } = recorded();
    capture.handleKeyLogLine('A = 1');
    state.isFull = true;
    expect(capture.handleDatagram(datagram)).toBe(false);
    state.isFull = false;
    expect(capture.handleDatagram(datagram)).toBe(true);
    expect(types()).toEqual([0x0a0d0d0a, 1, 10, 6]);
  });

  it('forgets the oldest secrets beyond the limit', () => {
    const { capture, state } = recorded();
    for (let i = 0; i <= MAX_WAITING_LINES; i++) capture.handleKeyLogLine(`line ${i}`);
    capture.handleDatagram(datagram);
    const { body } = blocks(state.written[1] as Uint8Array)[0] as Block;
    const lines = body
      .subarray(8, 8 + body.readUInt32LE(4))
      .toString('latin1')
      .trimEnd()
      .split('\n');
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([
      MAX_WAITING_LINES,
      'line 1',
      `line ${MAX_WAITING_LINES}`,
    ]);
  });
});
