import { describe, expect, it, vi } from 'vitest';
import { ownEndpoint } from '../../src/commands/own-endpoint.js';

const machine = vi.hoisted(() => ({ interfaces: {} as object }));
vi.mock('node:os', async (original) => ({
  ...(await original<object>()),
  networkInterfaces: () => machine.interfaces,
}));

const PRIVATE = ['127.0.0.1', '::1', '10.0.0.5', 'fe80::1', 'fd00::1'];
const IP4 = '8.8.4.4';
const [IP6, OTHER_IP6] = ['2a00:1450::1', '2a00:1450::2'];

describe('the endpoint of a relay that was not told', () => {
  it.each([
    ['the only public address', [...PRIVATE, IP4], IP4],
    ['the only public IPv4 address, before IPv6', [IP6, OTHER_IP6, IP4], IP4],
    ['an address that two interfaces have', [IP4, IP4], IP4],
  ])('is %s', (_what, addresses, host) => {
    for (const listen of [
      { port: 51_820 },
      { host: '0.0.0.0', port: 51_820 },
      { host: '::', port: 51_820 },
    ]) {
      expect(ownEndpoint(listen, 'relay.toml', addresses)).toEqual({ host, port: 51_820 });
    }
  });

  it.each([{ port: 9 }, { host: '::', port: 9 }])(
    'is the only public IPv6 address where it listens on IPv6 too: %o',
    (listen) => {
      expect(ownEndpoint(listen, 'relay.toml', [...PRIVATE, IP6])).toEqual({ host: IP6, port: 9 });
    },
  );

  it('is the address on which it listens, if that is public', () => {
    expect(ownEndpoint({ host: IP6, port: 9 }, 'relay.toml', [IP4])).toEqual({ host: IP6, port: 9 });
  });

  it("is among the addresses of this machine's interfaces", () => {
    const addresses = (...list: readonly string[]) =>
      list.map((address) => ({ address, netmask: '8.8.8.8' }));
    machine.interfaces = { lo: addresses('127.0.0.1'), gone: undefined, eth0: addresses('10.0.0.5', IP4) };
    expect(ownEndpoint({ port: 9 }, 'relay.toml')).toEqual({ host: IP4, port: 9 });
  });

  it('is asked for with the port and the file to write it into', () => {
    const hint =
      'give --endpoint HOST:9 with its public name or address, or write endpoint = "HOST:9" into relay.toml';
    let thrown: unknown;
    try {
      ownEndpoint({ port: 9 }, 'relay.toml', PRIVATE);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ hint });
  });

  it.each([
    ['this machine has no public address of its own', { port: 9 }, PRIVATE],
    [`this machine has several public addresses (${IP6}, ${OTHER_IP6})`, { port: 9 }, [IP6, OTHER_IP6]],
    [
      `this machine has several public addresses (${IP4}, 8.8.8.8, ${IP6})`,
      { port: 9 },
      [IP4, '8.8.8.8', IP6],
    ],
    [
      'it listens on IPv4, and this machine has no public IPv4 address of its own',
      { host: '0.0.0.0', port: 9 },
      [IP6],
    ],
    ['it listens on 10.0.0.5, which is not a public address', { host: '10.0.0.5', port: 9 }, [IP4]],
  ])('has to be given: %s', (why, listen, addresses) => {
    expect(() => ownEndpoint(listen, 'relay.toml', addresses)).toThrow(
      `cannot tell where clients reach this relay: ${why}`,
    );
  });
});
