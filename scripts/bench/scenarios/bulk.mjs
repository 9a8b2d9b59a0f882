// One, eight or fifty streams, as fast as they go: uploads, then downloads.

import { setTimeout as pause } from 'node:timers/promises';
import { usageOf } from '../programs.mjs';

/** Until windows and rates have grown, and code is compiled. */
export const WARM_UP_MS = 700;
const GIGABYTE = 1e9;
const MEGABYTE = 1e6;

export const bulk = [1, 8, 50].map((streams) => ({
  id: `bulk-${streams}`,
  title: streams === 1 ? 'Bulk, one stream' : `Bulk, ${streams} streams at once`,
  metrics: {
    up: { title: 'upload', unit: 'MB/s', better: 'more' },
    down: { title: 'download', unit: 'MB/s', better: 'more' },
    cpu: { title: 'CPU of both ends', unit: 's/GB', better: 'less' },
  },
  measure: (context) => measureBulk(context, streams),
}));

/** @returns MB/s that the receiver counted each way, and CPU seconds a gigabyte of both programs of the tunnel */
async function measureBulk(context, streams) {
  const up = await measureDirection(context, 'up', streams);
  const down = await measureDirection(context, 'down', streams);
  const result = { up: up.bytesPerSecond / MEGABYTE, down: down.bytesPerSecond / MEGABYTE };
  if (context.tunnel.programs.length === 0) return result;
  return { ...result, cpu: (up.cpuSeconds + down.cpuSeconds) / ((up.bytes + down.bytes) / GIGABYTE) };
}

/** @returns what arrived, how fast, and the CPU time of the tunnel meanwhile */
export async function measureDirection(context, direction, streams, warmUpMs = WARM_UP_MS) {
  const { load, tunnel, seconds } = context;
  const count = () => (direction === 'up' ? load.askTarget('received') : load.ask('received'));
  await load.ask('startBulk', { address: tunnel.address, direction, streams });
  try {
    await pause(warmUpMs);
    const [before, usageBefore] = [await count(), usageOf(tunnel.programs)];
    await pause(seconds * 1000);
    const [after, usageAfter] = [await count(), usageOf(tunnel.programs)];
    const bytes = after.bytes - before.bytes;
    if (bytes === 0) throw new Error('nothing arrived');
    return {
      bytes,
      bytesPerSecond: (bytes * 1000) / (after.atMs - before.atMs),
      cpuSeconds: usageAfter.cpuSeconds - usageBefore.cpuSeconds,
    };
  } finally {
    await load.ask('closeAll');
  }
}
