/** Checks of step 2. Both halves run here, with nothing lost between them: what happens otherwise is the experiment. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Check, expectThat, sameBytes, sampleBytes, soon } from '../check.ts';
import type { startClient, startRelay } from './tunnel.ts';

interface Step {
  readonly startClient: typeof startClient;
  readonly startRelay: typeof startRelay;
}

/** As much as surely fits into the buffers of the sockets on the way, so that nothing is lost. */
const SMALL_BYTES = 20_000;
const MAX_DATAGRAM_BYTES = 1200;
const HOST = '127.0.0.1';

export const checks: readonly Check<Step>[] = [
  {
    title: 'carries twenty kilobytes to the target and back',
    run: (step) =>
      withTunnel(step, async ({ clientPort }) => {
        const sent = sampleBytes(SMALL_BYTES);
        const received = await soon(
          ask(clientPort, sent),
          'the echo never ended: does the end of a direction cross too?',
        );
        expectThat(
          sameBytes(sent, received),
          `${sent.length} bytes went in, ${received.length} came back, and they differ`,
        );
      }),
  },
  {
    title: 'keeps connections apart',
    run: (step) =>
      withTunnel(step, async ({ clientPort, relayPort }) => {
        const other = await step.startClient({ host: HOST, port: relayPort });
        try {
          const sent = [1, 2, 3, 4].map((seed) => sampleBytes(5_000, seed));
          const ports = [clientPort, clientPort, other.port, other.port];
          const received = await soon(
            Promise.all(sent.map((bytes, i) => ask(ports[i] ?? clientPort, bytes))),
            'of four connections through two clients, one got no answer: two clients may well use the same number',
          );
          for (const [i, bytes] of sent.entries()) {
            expectThat(
              sameBytes(bytes, received[i] ?? new Uint8Array(0)),
              'a connection got bytes of another: a number is unique only together with the address that it comes from',
            );
          }
        } finally {
          other.close();
        }
      }),
  },
  {
    title: `sends no datagram above ${MAX_DATAGRAM_BYTES} bytes`,
    run: async (step) => {
      const relay = await openUdp();
      const client = await step.startClient({ host: HOST, port: relay.address().port });
      const visitor = connect(client.port, HOST);
      try {
        const sizes: number[] = [];
        const isAllThere = new Promise<void>((resolve) => {
          relay.on('message', (datagram) => {
            sizes.push(datagram.length);
            if (sizes.reduce((sum, size) => sum + size, 0) >= SMALL_BYTES) resolve();
          });
        });
        visitor.write(sampleBytes(SMALL_BYTES));
        await soon(isAllThere, 'the client never sent all of what its visitor wrote');
        const largest = Math.max(...sizes);
        expectThat(
          largest <= MAX_DATAGRAM_BYTES,
          `a datagram had ${largest} bytes: above 1500 the network cuts it into fragments, or drops it without a word. ` +
            'A read from a TCP socket may give 64 KiB at once; cut it',
        );
      } finally {
        visitor.destroy();
        client.close();
        relay.close();
      }
    },
  },
  {
    title: 'survives datagrams from strangers',
    run: (step) =>
      withTunnel(step, async ({ clientPort, relayPort }) => {
        const stranger = await openUdp();
        try {
          for (const rubbish of [
            [],
            [1],
            [0, 0, 0, 0],
            [0, 0, 0, 0, 9],
            [0, 0, 0, 77, 1],
            [255, 255, 255, 255, 2],
          ]) {
            await new Promise((resolve) => stranger.send(Uint8Array.from(rubbish), relayPort, HOST, resolve));
          }
          const sent = sampleBytes(100);
          const received = await soon(
            ask(clientPort, sent),
            'after six odd datagrams the relay answers nobody any more',
          );
          expectThat(sameBytes(sent, received), 'after six odd datagrams the relay garbles what it carries');
        } finally {
          stranger.close();
        }
      }),
  },
];

interface Ports {
  readonly clientPort: number;
  readonly relayPort: number;
}

async function withTunnel(step: Step, use: (ports: Ports) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const target = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  target.listen(0, HOST);
  await once(target, 'listening');
  const relay = await step.startRelay({ host: HOST, port: (target.address() as AddressInfo).port });
  const client = await step.startClient({ host: HOST, port: relay.port });
  try {
    await use({ clientPort: client.port, relayPort: relay.port });
  } finally {
    client.close();
    relay.close();
    target.close();
    for (const socket of sockets) socket.destroy();
  }
}

async function ask(port: number, bytes: Uint8Array): Promise<Uint8Array> {
  const visitor = connect({ port, host: HOST, allowHalfOpen: true });
  visitor.on('error', () => {});
  const pieces: Buffer[] = [];
  visitor.on('data', (piece) => pieces.push(piece));
  visitor.end(bytes);
  await Promise.race([once(visitor, 'end'), once(visitor, 'close')]);
  visitor.destroy();
  return Buffer.concat(pieces);
}

async function openUdp(): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return socket;
}
