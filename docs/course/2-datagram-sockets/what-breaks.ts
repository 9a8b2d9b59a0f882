/** Step 2, the experiment: a download through the tunnel of this step over a link that loses one datagram in a hundred. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { startClient, startRelay } from './tunnel.ts';

const DOWNLOAD_BYTES = 4 * 2 ** 20;
/** When nothing has come for so long, nothing will. */
const SILENCE_MS = 1_000;
const lossPercent = Number(process.argv[2] ?? 1);

/** Every four bytes say where they belong, so that a hole shows. */
const download = Buffer.alloc(DOWNLOAD_BYTES);
for (let at = 0; at < DOWNLOAD_BYTES; at += 4) download.writeUInt32BE(at, at);

const target = createServer((socket) => {
  socket.on('error', () => {});
  socket.end(download);
});
target.listen(0, '127.0.0.1');
await once(target, 'listening');
const relay = await startRelay({ host: '127.0.0.1', port: (target.address() as AddressInfo).port });
const link = await startLossyLink(relay.port);
const client = await startClient({ host: '127.0.0.1', port: link.port });

const pieces: Buffer[] = [];
const visitor = connect(client.port, '127.0.0.1');
visitor.write('GET'); // the relay dials when the first data of a connection arrive
const isOver = new Promise<string>((resolve) => {
  let timer = setTimeout(
    resolve,
    SILENCE_MS,
    'silence: the end was lost too, and the program would wait for ever',
  );
  visitor.on('data', (bytes) => {
    pieces.push(bytes);
    clearTimeout(timer);
    timer = setTimeout(
      resolve,
      SILENCE_MS,
      'silence: the end was lost too, and the program would wait for ever',
    );
  });
  visitor.once('end', () => resolve('a clean end: the program believes that it has everything'));
});
const ending = await isOver;
const received = Buffer.concat(pieces);
let firstHole = 0;
while (firstHole < received.length && received[firstHole] === download[firstHole]) firstHole++;

console.log(`the link lost      ${link.lost()} of ${link.seen()} datagrams`);
console.log(`sent               ${DOWNLOAD_BYTES} bytes`);
console.log(`received           ${received.length} bytes`);
console.log(`right until byte   ${firstHole}`);
console.log(`how it ended       ${ending}`);
process.exit();

/** Passes datagrams on in both directions, except those that it loses. */
async function startLossyLink(relayPort: number) {
  const outside = createSocket('udp4');
  const inside = createSocket('udp4');
  let clientPort = 0;
  let seen = 0;
  let lost = 0;
  const isLost = (): boolean => {
    seen++;
    const loses = Math.random() * 100 < lossPercent;
    if (loses) lost++;
    return loses;
  };
  outside.on('message', (datagram, from) => {
    clientPort = from.port;
    if (!isLost()) inside.send(datagram, relayPort, '127.0.0.1');
  });
  inside.on('message', (datagram) => {
    if (!isLost()) outside.send(datagram, clientPort, '127.0.0.1');
  });
  outside.bind(0, '127.0.0.1');
  await once(outside, 'listening');
  return { port: outside.address().port, seen: () => seen, lost: () => lost };
}
