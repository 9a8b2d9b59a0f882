import type { Address } from '@underpass/protocol';
import { bindFlowSocket, type FlowSocket } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Bind } from '../src/forward-spec.js';
import { listenUdp } from '../src/udp-listener.js';

const until = async (isMet: () => boolean): Promise<void> => {
  while (!isMet()) await new Promise((resolve) => setImmediate(resolve));
};

/** Listens, and answers every message with itself. */
async function listen(bind: Bind, port = 0) {
  const heard: string[] = [];
  const listener = await listenUdp({ bind, port }, (message, from, via) => {
    heard.push(String(Buffer.from(message)));
    via.send(message, from);
  });
  onTestFinished(() => listener.close());
  return { ...listener, heard };
}

/** Sends a message from a new socket, and resolves with what comes back and from where. */
async function ask(to: Address, text: string): Promise<[string, Address]> {
  const answers: [string, Address][] = [];
  const handler = {
    onMessage: (message: Uint8Array, from: Address) => answers.push([String(Buffer.from(message)), from]),
  };
  const any = to.address.includes(':') ? '::1' : '127.0.0.1';
  const socket: FlowSocket = await bindFlowSocket({ address: any, port: 0 }, handler);
  socket.send(Buffer.from(text), to);
  await until(() => answers.length > 0);
  socket.close();
  return answers[0] as [string, Address];
}

// spec forwarding 1.2
describe('a UDP listener', () => {
  it('on loopback has one port in both families, and each answers for itself', async () => {
    const { addresses, heard } = await listen({ kind: 'loopback' });
    const hosts = addresses.map(({ address }) => address);
    expect(['127.0.0.1', '127.0.0.1,::1', '::1,127.0.0.1']).toContain(String(hosts));
    expect(new Set(addresses.map(({ port }) => port)).size).toBe(1);
    for (const at of addresses) expect(await ask(at, at.address)).toEqual([at.address, at]);
    expect(heard).toEqual(hosts);
  });

  it('on a host has that address only', async () => {
    const { addresses } = await listen({ kind: 'host', host: '127.0.0.1' });
    expect(addresses).toEqual([{ address: '127.0.0.1', port: expect.any(Number) }]);
    expect((await ask(addresses[0] as Address, 'a'))[0]).toBe('a');
  });

  it('on every interface is reached over IPv4', async () => {
    const { addresses } = await listen({ kind: 'all' });
    expect(addresses).toHaveLength(1);
    const [{ address = '', port = 0 } = {}] = addresses;
    expect(['::', '0.0.0.0']).toContain(address);
    expect((await ask({ address: '127.0.0.1', port }, 'a'))[0]).toBe('a');
  });

  it('leaves its port when it is closed', async () => {
    const first = await listen({ kind: 'host', host: '127.0.0.1' });
    const port = first.addresses[0]?.port ?? 0;
    await expect(listen({ kind: 'host', host: '127.0.0.1' }, port)).rejects.toMatchObject({
      code: 'address-in-use',
      message: expect.stringContaining(`UDP port 127.0.0.1:${port}`),
    });
    first.close();
    expect((await listen({ kind: 'host', host: '127.0.0.1' }, port)).addresses[0]?.port).toBe(port);
  });

  it('says which address this machine does not have', async () => {
    await expect(listen({ kind: 'host', host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'address-not-available',
      message: expect.stringContaining('UDP port 192.0.2.1:0'),
    });
  });
});
