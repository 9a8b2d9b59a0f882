import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { encodeProxyHeader, proxyHeaderOf } from '../src/proxy-header.js';
import { socketPair } from './sockets.js';

const START = '0d0a0d0a000d0a515549540a21';
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

// spec forwarding 2.8
describe('a PROXY header', () => {
  it('has the addresses and ports of both ends', () => {
    const header = encodeProxyHeader(
      { address: '192.0.2.7', port: 0x1234 },
      { address: '127.0.0.1', port: 8080 },
    );
    expect(hex(header)).toBe(`${START}11000cc00002077f00000112341f90`);
    const header6 = encodeProxyHeader({ address: '2001:db8::7', port: 1 }, { address: '::1', port: 2 });
    expect(hex(header6)).toBe(
      `${START}21002420010db800000000000000000000000700000000000000000000000000000001${'00010002'}`,
    );
  });

  it('writes IPv4 in IPv6 as IPv4, and as IPv4-mapped beside IPv6', () => {
    const mapped = { address: '::ffff:192.0.2.7', port: 1 };
    expect(hex(encodeProxyHeader(mapped, { address: '::ffff:127.0.0.1', port: 2 }))).toBe(
      `${START}11000cc00002077f00000100010002`,
    );
    expect(hex(encodeProxyHeader(mapped, { address: '::1', port: 2 }))).toBe(
      `${START}21002400000000000000000000ffffc000020700000000000000000000000000000001${'00010002'}`,
    );
    expect(hex(encodeProxyHeader({ address: '::1', port: 2 }, mapped))).toBe(
      `${START}21002400000000000000000000000000000001${'00000000000000000000ffffc000020700020001'}`,
    );
  });

  it.each([
    [undefined, undefined],
    [{ address: '127.0.0.1', port: 1 }, undefined],
    [
      { address: 'fe80::1%eth0', port: 1 },
      { address: '::1', port: 1 },
    ],
  ])('has no address if an end has none: %j, %j', (source, destination) => {
    expect(hex(encodeProxyHeader(source, destination))).toBe(`${START}000000`);
  });

  it('of a local connection names the program first', async () => {
    const { ours, theirs } = await socketPair();
    const header = proxyHeaderOf(ours);
    expect(hex(header.subarray(0, 24))).toBe(`${START}11000c7f0000017f000001`);
    const ports = [header[24], header[25], header[26], header[27]] as number[];
    expect(((ports[0] as number) << 8) | (ports[1] as number)).toBe(theirs.localPort);
    expect(((ports[2] as number) << 8) | (ports[3] as number)).toBe(theirs.remotePort);
  });

  it('of a connection that is over has no addresses', () => {
    expect(hex(proxyHeaderOf(new Socket()))).toBe(`${START}000000`);
    const half = { remoteAddress: '127.0.0.1', localAddress: '127.0.0.1', localPort: 1 } as Socket;
    expect(hex(proxyHeaderOf(half))).toBe(`${START}000000`);
  });
});
