// Five thousand connections that do nothing: what they cost.

import { setTimeout as pause } from 'node:timers/promises';
import { usageOf } from '../programs.mjs';

const STREAMS = 5000;
const KILOBYTE = 1000;
/** Until buffers that opening needed are given back. */
const SETTLE_MS = 3000;
/** Shorter times show nothing: the kernel counts CPU time in steps of 10 ms. */
const MIN_SECONDS = 5;

export const idleStreams = {
  id: 'idle-streams',
  title: `${STREAMS} idle connections`,
  metrics: {
    memory: { title: 'memory of both ends for each', unit: 'kB', better: 'less' },
    cpu: { title: 'CPU of both ends', unit: '% of a core', better: 'less' },
  },
  /** Started anew for each run, because a process keeps memory that it has once used. */
  startsAnew: true,
  measure: async ({ load, tunnel, seconds }) => {
    if (tunnel.programs.length === 0) throw new Error('no program to measure');
    const before = usageOf(tunnel.programs);
    await load.ask('openIdle', { address: tunnel.address, count: STREAMS });
    try {
      await pause(SETTLE_MS);
      const opened = usageOf(tunnel.programs);
      const watchedSeconds = Math.max(seconds, MIN_SECONDS);
      await pause(watchedSeconds * 1000);
      const after = usageOf(tunnel.programs);
      const answers = await load.ask('countAnswers');
      if (answers !== STREAMS) throw new Error(`${STREAMS - answers} connections did not answer afterwards`);
      return {
        memory: (after.residentBytes - before.residentBytes) / STREAMS / KILOBYTE,
        cpu: (100 * (after.cpuSeconds - opened.cpuSeconds)) / watchedSeconds,
      };
    } finally {
      await load.ask('closeAll');
    }
  },
};
