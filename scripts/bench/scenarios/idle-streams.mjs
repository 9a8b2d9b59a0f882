// Five thousand connections that do nothing: what they cost.

import { setTimeout as pause } from 'node:timers/promises';
import { usageOf } from '../programs.mjs';

const STREAMS = 5000;
/** The memory of the first ones is not counted: processes that have just started grow whatever they do. */
const FIRST_STREAMS = 1000;
const KILOBYTE = 1024;
/** Until buffers that opening needed are given back. */
const SETTLE_MS = 3000;
/** The kernel counts CPU time in steps of 10 ms, so shorter times show nothing. */
const MIN_SECONDS = 5;

export const idleStreams = {
  id: 'idle-streams',
  title: `${STREAMS} idle connections`,
  metrics: {
    memory: { title: 'memory of all ends for each further one', unit: 'KB', better: 'less' },
    cpu: { title: 'CPU of all ends', unit: '% of a core', better: 'less' },
  },
  /** Started anew for each measurement, because a process keeps memory that it has once used. */
  startsAnew: true,
  /** A peer of Underpass may have 1024 connections. */
  clients: 5,
  tunnels: ['underpass', 'against', 'ssh', 'kcptun', 'quinn', 'node-proxy'],
  measure: async ({ load, tunnel, seconds }) => {
    const { addresses, programs } = tunnel;
    try {
      await load.ask('openIdle', { addresses, count: FIRST_STREAMS });
      await pause(SETTLE_MS);
      const before = usageOf(programs);
      await load.ask('openIdle', { addresses, count: STREAMS - FIRST_STREAMS });
      await pause(SETTLE_MS);
      const opened = usageOf(programs);
      const watchedSeconds = Math.max(seconds, MIN_SECONDS);
      await pause(watchedSeconds * 1000);
      const after = usageOf(programs);
      const answers = await load.ask('countAnswers');
      if (answers !== STREAMS) throw new Error(`${STREAMS - answers} connections did not answer afterwards`);
      return {
        memory: (opened.residentBytes - before.residentBytes) / (STREAMS - FIRST_STREAMS) / KILOBYTE,
        cpu: (100 * (after.cpuSeconds - opened.cpuSeconds)) / watchedSeconds,
      };
    } finally {
      await load.ask('closeAll');
    }
  },
};
