// Keystrokes beside a download, on a network with room for more: one download takes all that the tunnel carries, which
// on a fast network is all that the machine's cores can do, and the other leaves room there too.

import { setTimeout as pause } from 'node:timers/promises';
import { PACED_MEGABYTES_PER_SECOND } from '../load/services.mjs';
import { WARM_UP_MS } from './bulk.mjs';

const METRICS = {
  alone: { title: 'p99 alone', unit: 'ms', better: 'less' },
  p50: { title: 'p50 beside it', unit: 'ms', better: 'less' },
  p99: { title: 'p99 beside it', unit: 'ms', better: 'less' },
};

export const besideBulk = {
  id: 'beside-bulk',
  title: 'Round trips of one byte, alone and beside a download on another stream',
  metrics: METRICS,
  measure: (run) => measure(run, false),
};

export const besidePaced = {
  id: 'beside-paced',
  title: `Round trips of one byte, alone and beside a download of ${PACED_MEGABYTES_PER_SECOND} MB/s`,
  metrics: METRICS,
  measure: (run) => measure(run, true),
};

async function measure({ load, tunnel, seconds }, isPaced) {
  const { address } = tunnel;
  const alone = await load.ask('roundTrips', { address, seconds, bytes: 1 });
  await load.ask('startBulk', { address, direction: 'down', streams: 1, isPaced });
  try {
    await pause(WARM_UP_MS);
    const { p50, p99 } = await load.ask('roundTrips', { address, seconds, bytes: 1 });
    return { alone: alone.p99, p50, p99 };
  } finally {
    await load.ask('closeAll');
  }
}
