// A relay that knows a thousand peers, none of which connects: whether they slow down the one that does.

import { usageOf } from '../programs.mjs';
import { measureDirection } from './bulk.mjs';

const MEGABYTE = 1e6;

export const idlePeers = {
  id: 'idle-peers',
  title: 'A thousand idle peers',
  metrics: {
    down: { title: 'download', unit: 'MB/s', better: 'more' },
    p50: { title: 'round trip p50', unit: 'ms', better: 'less' },
    memory: { title: 'memory of the relay', unit: 'MB', better: 'less' },
  },
  startsAnew: true,
  tunnels: ['underpass', 'underpass-1000-peers'],
  measure: async (context) => {
    const { load, tunnel, seconds } = context;
    const relay = tunnel.programs.at(-1);
    const { p50 } = await load.ask('roundTrips', { address: tunnel.address, seconds, bytes: 64 });
    const { residentBytes } = usageOf([relay]);
    const { bytesPerSecond } = await measureDirection(context, 'down', 1);
    return { down: bytesPerSecond / MEGABYTE, p50, memory: residentBytes / MEGABYTE };
  },
};
