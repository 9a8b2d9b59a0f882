import { createSocket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import {
  adoptUdpSocket,
  canShareSockets,
  type DatagramSocket,
  openSocketGroup,
  openUdpSocket,
} from '../src/index.js';

const COUNT = 3;
const SENDERS = 12;
const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

const hasIpv6Loopback = Object.values(networkInterfaces()).some((list) =>
  list?.some((entry) => entry.address === '::1'),
);
const descriptors = () => readdirSync('/proc/self/fd').length;

/** Sends datagrams of each type with each index from several ports, and returns what each socket received. */
async function steer(sockets: readonly DatagramSocket[], port: number): Promise<string[][]> {
  const got: string[][] = sockets.map(() => []);
  let left = 0;
  const arrived = new Promise<void>((resolve) => {
    for (const [i, socket] of sockets.entries()) {
      socket.listen({
        onDatagram: (datagram, from) => {
          const indexAt = datagram[0] === 2 ? 8 : 4;
          got[i]?.push(datagram[0] === 1 ? `initiation ${from.port}` : `${datagram[0]} ${datagram[indexAt]}`);
          if (--left === 0) resolve();
        },
        onBatchFree: () => {},
      });
    }
  });
  const senders = Array.from({ length: SENDERS }, () => createSocket('udp4'));
  opened.push(...senders);
  for (const type of [1, 2, 3, 4]) {
    for (let index = 0; index < 12; index++) {
      const datagram = new Uint8Array(32);
      datagram[0] = type;
      datagram[type === 2 ? 8 : 4] = index;
      left++;
      senders[index % senders.length]?.send(datagram, port, '127.0.0.1');
    }
  }
  await arrived;
  return got;
}

describe.skipIf(!canShareSockets())('a group of sockets (spec session 3.3)', () => {
  it('receives each datagram on the socket that its index names, and initiations by their sender', async () => {
    const group = await openSocketGroup({ host: '127.0.0.1', port: 0, count: COUNT });
    const adopted = group.sockets.map((socket) => adoptUdpSocket(socket));
    opened.push(...adopted);
    const got = await steer(adopted, group.address.port);
    const seen = new Map<string, number>();
    for (const [i, received] of got.entries()) {
      for (const what of received) {
        const [kind, index] = what.split(' ');
        if (kind !== 'initiation') expect(Number(index) % COUNT).toBe(i);
        // One sender's initiations all arrive at one socket.
        else expect(seen.get(what) ?? i).toBe(i);
        seen.set(what, i);
      }
    }
    expect(seen.size).toBe(3 * 12 + SENDERS);
    // Senders are divided too: that all of them meet by chance happens once in 177,147 times.
    const sockets = [...seen].filter(([what]) => what.startsWith('initiation')).map(([, i]) => i);
    expect(new Set(sockets).size).toBeGreaterThan(1);
  });

  it('is closed by its owner, once, whatever has the numbers of its descriptors since then', async () => {
    const before = descriptors();
    const group = await openSocketGroup({ host: '127.0.0.1', port: 0, count: COUNT });
    expect(group.sockets.map(({ family }) => family)).toEqual(['udp4', 'udp4', 'udp4']);
    expect(new Set(group.sockets.map(({ fd }) => fd)).size).toBe(COUNT);
    const { port } = group.address;
    group.close();
    expect(descriptors()).toBe(before);
    const next = await openSocketGroup({ host: '127.0.0.1', port, count: COUNT });
    opened.push(next);
    expect(next.address).toEqual({ address: '127.0.0.1', port });
    const withNext = descriptors();
    group.close();
    expect(descriptors()).toBe(withNext);
  });

  it.runIf(hasIpv6Loopback)('shares a port of every address, or of one IPv6 address', async () => {
    for (const host of [undefined, '::1']) {
      const group = await openSocketGroup({ ...(host && { host }), port: 0, count: 2 });
      opened.push(group);
      expect(group.sockets.map(({ family }) => family)).toEqual(['udp6', 'udp6']);
      expect(group.address.address).toBe(host ?? '::');
    }
  });

  it('cannot be opened on a port that is in use, by another group either, and then leaves nothing open', async () => {
    const group = await openSocketGroup({ host: '127.0.0.1', port: 0, count: COUNT });
    const { port } = group.address;
    const before = descriptors();
    await expect(openSocketGroup({ host: '127.0.0.1', port, count: COUNT })).rejects.toMatchObject({
      code: 'address-in-use',
    });
    await expect(openUdpSocket({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'address-in-use',
    });
    expect(descriptors()).toBe(before);
    group.close();
    const again = await openUdpSocket({ host: '127.0.0.1', port });
    opened.push(again);
  });
});
