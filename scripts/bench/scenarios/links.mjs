// The links of docs/loss.md, live: a rate, a delay and loss between the two hosts.

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
];

const bulkOnLinks = LINKS.map(({ id, title, link }) => ({
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
    return { up: await rate('up'), down: await rate('down') };
  },
}));

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
