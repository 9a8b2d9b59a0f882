// Keystrokes beside a download that takes all that the tunnel carries, on a network with room for more.

import { setTimeout as pause } from 'node:timers/promises';
import { WARM_UP_MS } from './bulk.mjs';

export const besideBulk = {
  id: 'beside-bulk',
  title: 'Round trips of one byte, alone and beside a download on another stream',
  metrics: {
    alone: { title: 'p99 alone', unit: 'ms', better: 'less' },
    p50: { title: 'p50 beside it', unit: 'ms', better: 'less' },
    p99: { title: 'p99 beside it', unit: 'ms', better: 'less' },
  },
  measure: async ({ load, tunnel, seconds }) => {
    const { address } = tunnel;
    const alone = await load.ask('roundTrips', { address, seconds, bytes: 1 });
    await load.ask('startBulk', { address, direction: 'down', streams: 1 });
    try {
      await pause(WARM_UP_MS);
      const { p50, p99 } = await load.ask('roundTrips', { address, seconds, bytes: 1 });
      return { alone: alone.p99, p50, p99 };
    } finally {
      await load.ask('closeAll');
    }
  },
};
