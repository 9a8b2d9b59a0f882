// The load: connects through a tunnel to the target and measures. Runs in a process of its own on the client's side.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../statistics.mjs';
import { serveRequests } from './requests.mjs';
import { ECHO, PACED_SOURCE, pour, SINK, SOURCE } from './services.mjs';

const LONGEST_WAIT_MS = 20_000;
const OPENED_AT_ONCE = 50;

/** The streams of `startBulk` or `openIdle`. */
let sockets = [];
let receivedBytes = 0;

serveRequests({
  /** Waits until the tunnel carries a byte to the target and back. */
  async waitUntilReady({ address }) {
    for (const deadline = Date.now() + LONGEST_WAIT_MS; ; await pause(50)) {
      try {
        return void (await exchangeOnce(address));
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`the tunnel carries nothing: ${error.message}`);
      }
    }
  },

  /** @param isPaced  whether a download comes at a steady rate, and not as fast as it can */
  async startBulk({ address, direction, streams, isPaced = false }) {
    receivedBytes = 0;
    const source = isPaced ? PACED_SOURCE : SOURCE;
    sockets = await openAll(address, streams, direction === 'up' ? SINK : source);
    for (const socket of sockets) if (direction === 'up') pour(socket);
  },

  /** What downloads have brought so far. */
  received: () => ({ bytes: receivedBytes, atMs: performance.now() + performance.timeOrigin }),

  /** Opens more connections, which send nothing after their first byte has come back, equally many at each address.
   *  @param count  a multiple of `OPENED_AT_ONCE` */
  async openIdle({ addresses, count }) {
    for (let left = count; left > 0; left -= OPENED_AT_ONCE) {
      const address = addresses[(left / OPENED_AT_ONCE) % addresses.length];
      const some = await openAll(address, OPENED_AT_ONCE, ECHO);
      sockets.push(...some);
      await Promise.all(some.map(exchangeByte));
    }
  },

  /** @returns how many of the idle connections still answer */
  async countAnswers() {
    const answers = await Promise.allSettled(sockets.map(exchangeByte));
    return answers.filter(({ status }) => status === 'fulfilled').length;
  },

  /** With RST, so that nobody goes on carrying what is still in buffers. */
  closeAll() {
    for (const socket of sockets) socket.resetAndDestroy();
    sockets = [];
  },

  /** Sends a request as soon as the answer to the last one is there. @returns milliseconds, and how many there were */
  async roundTrips({ address, seconds, bytes }) {
    const socket = await open(address, ECHO);
    const request = Buffer.alloc(bytes, 'r');
    const times = [];
    let missing = 0;
    let answered;
    socket.on('data', (chunk) => {
      missing -= chunk.length;
      if (missing === 0) answered();
    });
    const failed = once(socket, 'close').then(() => Promise.reject(new Error('the connection was closed')));
    failed.catch(() => undefined);
    for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
      missing = bytes;
      const sentAt = performance.now();
      const answer = new Promise((resolve) => {
        answered = resolve;
      });
      socket.write(request);
      await Promise.race([answer, failed]);
      times.push(performance.now() - sentAt);
    }
    socket.destroy();
    return summarize(times);
  },

  /** Connects, sends a byte, waits for its echo and closes, `atOnce` at a time. */
  async connections({ address, seconds, atOnce }) {
    const times = [];
    const startedAt = performance.now();
    const end = startedAt + seconds * 1000;
    const worker = async () => {
      while (performance.now() < end) {
        const openedAt = performance.now();
        await exchangeOnce(address);
        times.push(performance.now() - openedAt);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    return { perSecond: (times.length * 1000) / (performance.now() - startedAt), ...summarize(times) };
  },
});

function summarize(times) {
  times.sort((a, b) => a - b);
  return { count: times.length, p50: percentile(times, 50), p99: percentile(times, 99), max: times.at(-1) };
}

function openAll(address, count, service) {
  return Promise.all(Array.from({ length: count }, () => open(address, service)));
}

/** @param service  what the target is to do with the connection */
async function open({ host, port }, service) {
  // One buffer for everything that a download brings, because nobody looks at it.
  const onread = { buffer: Buffer.allocUnsafe(256 * 1024), callback: countBytes };
  const socket = connect({
    host,
    port,
    noDelay: true,
    ...(service === SOURCE || service === PACED_SOURCE ? { onread } : {}),
  });
  await once(socket, 'connect');
  socket.on('error', () => socket.destroy());
  socket.write(service);
  return socket;
}

function countBytes(bytes) {
  receivedBytes += bytes;
  return true;
}

async function exchangeOnce(address) {
  const socket = await open(address, ECHO);
  await exchangeByte(socket);
  socket.end();
}

async function exchangeByte(socket) {
  socket.write('x');
  await new Promise((resolve, reject) => {
    const close = () => reject(new Error('the connection was closed'));
    socket.once('close', close);
    socket.once('data', () => {
      socket.off('close', close);
      resolve();
    });
  });
}
