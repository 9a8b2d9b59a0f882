/** Checks of step 1. They talk to the proxy as its visitors and as its target. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Check, expectThat, sameBytes, sampleBytes, soon } from '../check.ts';
import type { startProxy } from './proxy.ts';

interface Step {
  readonly startProxy: typeof startProxy;
}

/** Enough to fill every buffer of the system's on the way, many times over. */
const FLOOD_BYTES = 64 * 2 ** 20;
const FLOOD_PIECE_BYTES = 2 ** 16;
/** A visitor counts as stopped when it could write nothing between this many looks in a row. */
const LOOKS = 8;
const LOOK_INTERVAL_MS = 125;

export const checks: readonly Check<Step>[] = [
  {
    title: 'carries a megabyte to the target and back, byte for byte',
    run: (step) =>
      withProxy(step, { onConnection: (socket) => socket.pipe(socket) }, async (visitor) => {
        const sent = sampleBytes(2 ** 20);
        visitor.end(sent);
        const received = await soon(
          readAll(visitor),
          'the echo never ended: is the end of a direction passed on?',
        );
        expectThat(
          sameBytes(sent, received),
          `${sent.length} bytes went in, ${received.length} came back, and they are not the same`,
        );
      }),
  },
  {
    title: 'keeps one direction open when the other has ended',
    run: (step) =>
      withProxy(step, { onConnection: countBytes }, async (visitor) => {
        visitor.end('four');
        const received = await soon(readAll(visitor), 'no answer came after the visitor had sent its end');
        expectThat(
          Buffer.from(received).toString() === '4 bytes',
          'the visitor ended its direction and then got no answer: "I have sent everything" (FIN) is not "go away". ' +
            'Node closes both directions unless both sockets allow half-open connections',
        );
      }),
  },
  {
    title: 'stops reading when the other side does',
    run: (step) =>
      withProxy(step, { onConnection: (socket) => socket.pause() }, async (visitor) => {
        const taken = await writeUntilStopped(visitor);
        expectThat(
          taken < FLOOD_BYTES,
          'the target read nothing, and the proxy took 64 MiB all the same: they are in its memory. ' +
            'When write() returns false, stop reading until "drain"',
        );
      }),
  },
  {
    title: 'does not let a failure look like a success',
    run: async (step) => {
      const proxy = await step.startProxy({ host: '127.0.0.1', port: await unusedPort() });
      const visitor = connect(proxy.port, '127.0.0.1');
      try {
        const ending = new Promise<string>((resolve) => {
          visitor.once('end', () => resolve('a clean end'));
          visitor.once('error', () => resolve('a reset'));
        });
        visitor.resume();
        const seen = await soon(
          ending,
          'the target refused the connection, and the visitor heard nothing of it',
        );
        expectThat(
          seen === 'a reset',
          `the target refused the connection, and the visitor saw ${seen}: it takes that for an empty answer. ` +
            'Reset the connection (resetAndDestroy) instead of ending it',
        );
      } finally {
        visitor.destroy();
        proxy.close();
      }
    },
  },
];

async function withProxy(
  step: Step,
  target: { onConnection: (socket: Socket) => void },
  visit: (visitor: Socket) => Promise<void>,
): Promise<void> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    target.onConnection(socket);
  });
  const proxy = await step.startProxy({ host: '127.0.0.1', port: await listen(server) });
  const visitor = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  visitor.on('error', () => {});
  try {
    await visit(visitor);
  } finally {
    for (const socket of [visitor, ...sockets]) socket.destroy();
    proxy.close();
    server.close();
  }
}

/** A target that answers only when it has seen the end, as `wc -c` does. */
function countBytes(socket: Socket): void {
  let count = 0;
  socket.on('data', (bytes) => {
    count += bytes.length;
  });
  socket.once('end', () => socket.end(`${count} bytes`));
}

async function readAll(socket: Socket): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  socket.on('data', (bytes) => pieces.push(bytes));
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  return Buffer.concat(pieces);
}

/** Writes piece by piece until no more is taken, or all is.
 *  @returns how many bytes were taken */
async function writeUntilStopped(socket: Socket): Promise<number> {
  const piece = sampleBytes(FLOOD_PIECE_BYTES);
  let taken = 0;
  const writeNext = (): void => {
    socket.write(piece, (error) => {
      if (error) return;
      taken += piece.length;
      if (taken < FLOOD_BYTES) writeNext();
    });
  };
  writeNext();
  let before = -1;
  for (let looks = 0; looks < LOOKS && taken < FLOOD_BYTES; looks++) {
    if (taken > before) looks = 0;
    before = taken;
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
  }
  return taken;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function unusedPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
}
