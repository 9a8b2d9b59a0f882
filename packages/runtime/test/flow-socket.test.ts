/** The sockets of flows, over loopback. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import type { Address } from '@underpass/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { bindFlowSocket, connectFlowSocket, type FlowSocket } from '../src/index.js';

const hasIpv6Loopback = Object.values(networkInterfaces()).some((list) =>
  list?.some((entry) => entry.address === '::1'),
);

const opened: FlowSocket[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

/** What a socket has heard. */
class Ear {
  readonly heard: (readonly [string, Address])[] = [];
  readonly errors: string[] = [];
  #wake: (() => void) | undefined;

  readonly handler = {
    onMessage: (message: Uint8Array, from: Address) => {
      this.heard.push([String(Buffer.from(message)), from]);
      this.#wake?.();
    },
    onError: (code: string) => {
      this.errors.push(code);
      this.#wake?.();
    },
  };

  async until(isMet: () => boolean): Promise<void> {
    while (!isMet()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

async function bound(at: Address, options = {}) {
  const ear = new Ear();
  const socket = await bindFlowSocket(at, ear.handler, options);
  opened.push(socket);
  return { ear, socket };
}

async function connected(to: Address) {
  const ear = new Ear();
  const socket = await connectFlowSocket(to, ear.handler);
  opened.push(socket);
  return { ear, socket };
}

const text = (of: string) => Buffer.from(of);
const LOOPBACKS = hasIpv6Loopback ? ['127.0.0.1', '::1'] : ['127.0.0.1'];

describe('the socket of a flow', () => {
  it.each(LOOPBACKS)('exchanges messages with one address: %s', async (address) => {
    const target = await bound({ address, port: 0 });
    const flow = await connected(target.socket.address);
    expect(flow.socket.address.address).toBe(address);
    flow.socket.send(text('question'));
    await target.ear.until(() => target.ear.heard.length > 0);
    expect(target.ear.heard).toEqual([['question', flow.socket.address]]);
    const stranger = await bound({ address, port: 0 });
    stranger.socket.send(text('from somebody else'), flow.socket.address);
    target.socket.send(text('answer'), flow.socket.address);
    await flow.ear.until(() => flow.ear.heard.length > 0);
    expect(flow.ear.heard).toEqual([['answer', target.socket.address]]);
  });

  it.runIf(process.platform === 'linux')('reports that nothing listens at its target', async () => {
    const { socket } = await bound({ address: '127.0.0.1', port: 0 });
    const flow = await connected(socket.address);
    socket.close();
    flow.socket.send(text('anybody?'));
    await flow.ear.until(() => flow.ear.errors.length > 0);
    expect(flow.ear.errors).toEqual(['ECONNREFUSED']);
  });

  it('sends and reports nothing once it is closed, which may happen twice', async () => {
    const target = await bound({ address: '127.0.0.1', port: 0 });
    const { ear, socket } = await bound({ address: '127.0.0.1', port: 0 });
    target.socket.send(text('too late'), socket.address);
    socket.close();
    socket.close();
    expect(() => socket.send(text('no more'), target.socket.address)).not.toThrow();
    const last = await bound({ address: '127.0.0.1', port: 0 });
    last.socket.send(text('last'), target.socket.address);
    await target.ear.until(() => target.ear.heard.length > 0);
    expect(target.ear.heard).toEqual([['last', last.socket.address]]);
    expect([ear.heard, ear.errors]).toEqual([[], []]);
  });

  it('does not send to port 0, which would throw', async () => {
    const { ear, socket } = await bound({ address: '127.0.0.1', port: 0 });
    expect(() => socket.send(text('nowhere'), { address: '127.0.0.1', port: 0 })).not.toThrow();
    expect(ear.errors).toEqual([]);
  });

  it.runIf(hasIpv6Loopback)('for all addresses takes IPv4 too, and names it as IPv4', async () => {
    const all = await bound({ address: '::', port: 0 });
    const { ear, socket } = await bound({ address: '127.0.0.1', port: 0 });
    socket.send(text('over IPv4'), { address: '127.0.0.1', port: all.socket.address.port });
    await all.ear.until(() => all.ear.heard.length > 0);
    expect(all.ear.heard).toEqual([['over IPv4', socket.address]]);
    all.socket.send(text('back'), socket.address);
    await ear.until(() => ear.heard.length > 0);
    expect(ear.heard[0]?.[0]).toBe('back');
  });

  it.runIf(hasIpv6Loopback)('for IPv6 alone leaves the port of IPv4 to others', async () => {
    const { socket } = await bound({ address: '::', port: 0 }, { ipv6Only: true });
    const { port } = socket.address;
    const other = createSocket('udp4');
    other.bind({ address: '0.0.0.0', port, exclusive: true });
    await once(other, 'listening');
    other.close();
  });

  it('is bound to the address of a name', async () => {
    const { socket } = await bound({ address: 'localhost', port: 0 });
    expect(['127.0.0.1', '::1']).toContain(socket.address.address);
  });

  it('is not opened on a port that is in use', async () => {
    const { socket } = await bound({ address: '127.0.0.1', port: 0 }, { isShared: true });
    await expect(bindFlowSocket(socket.address, new Ear().handler)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});
