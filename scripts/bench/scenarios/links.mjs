// The links of docs/loss.md, live: a rate, a delay and loss between the two hosts.

import { spawn } from 'node:child_process';
import { atEnd } from '../at-end.mjs';
import { measureDirection } from './bulk.mjs';

const MEGABYTE = 1e6;
/** A link with a long delay needs longer to reach its speed, and some losses to show what they do. */
const WARM_UP_MS = 3000;
const MIN_SECONDS = 5;
const TUNNELS = ['underpass', 'against', 'wireguard-go', 'ssh', 'quinn'];

/** @type rate in Mbit/s, delay in ms each way, loss of single packets, and loss in bursts: the chances that one begins
 *  and ends at a packet */
const LINKS = [
  { id: 'link-clean', title: '100 Mbit/s, 80 ms', link: { rateMbit: 100, delayMs: 40, queueMs: 100 } },
  {
    id: 'link-loss',
    title: '100 Mbit/s, 80 ms, 1 % lost',
    link: { rateMbit: 100, delayMs: 40, queueMs: 100, lossPercent: 1 },
  },
  {
    id: 'link-bursts',
    title: '20 Mbit/s, 200 ms, 3 % lost in bursts',
    link: { rateMbit: 20, delayMs: 100, queueMs: 100, burstEnterPercent: 1, burstLeavePercent: 33 },
  },
  {
    id: 'link-fast',
    title: '400 Mbit/s, 20 ms, 0.1 % lost',
    link: { rateMbit: 400, delayMs: 10, queueMs: 25, lossPercent: 0.1 },
  },
  {
    id: 'link-busy',
    title: '50 Mbit/s, 80 ms, 1 % lost, both cores busy',
    link: { rateMbit: 50, delayMs: 40, queueMs: 50, lossPercent: 1 },
    busyLoops: 2,
  },
];

const bulkOnLinks = LINKS.map(({ id, title, link, busyLoops = 0 }) => ({
  id,
  title: `Link: ${title}`,
  link,
  tunnels: TUNNELS,
  metrics: {
    up: { title: 'upload', unit: 'MB/s', better: 'more' },
    down: { title: 'download', unit: 'MB/s', better: 'more' },
  },
  measure: async (context) => {
    const seconds = Math.max(context.seconds, MIN_SECONDS);
    const rate = async (direction) =>
      (await measureDirection({ ...context, seconds }, direction, 1, WARM_UP_MS)).bytesPerSecond / MEGABYTE;
    const loops = Array.from({ length: busyLoops }, startBusyLoop);
    try {
      return { up: await rate('up'), down: await rate('down') };
    } finally {
      for (const stop of loops) stop();
    }
  },
}));

/** A program that takes all it gets of a core, at the same priority as the tunnels.
 *  @returns stops it */
function startBusyLoop() {
  const loop = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  return atEnd(() => loop.kill('SIGKILL'));
}

/** How many round trips a percentile of 99 needs. */
const ROUND_TRIPS = 150;

const roundTripsOnLink = {
  id: 'link-round-trips',
  title: 'Round trips of 64 bytes over 100 Mbit/s, 80 ms, 1 % lost',
  link: LINKS[1].link,
  tunnels: TUNNELS,
  metrics: {
    p50: { title: 'p50', unit: 'ms', better: 'less' },
    p99: { title: 'p99', unit: 'ms', better: 'less' },
  },
  measure: async ({ load, tunnel }) => {
    const seconds = (ROUND_TRIPS * 2 * LINKS[1].link.delayMs) / 1000;
    const { p50, p99 } = await load.ask('roundTrips', { address: tunnel.address, seconds, bytes: 64 });
    return { p50, p99 };
  },
};

export const links = [...bulkOnLinks, roundTripsOnLink];
