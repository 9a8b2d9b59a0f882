/** Counts what happened in a run, for summaries over many seeds. */

import type { ProcessModel } from './process-model.js';
import type { Scenario } from './scenario.js';
import type { NetworkCounts } from './simulation/simulated-network.js';
import type { World } from './simulation/world.js';

export interface RunStats extends NetworkCounts {
  datagramsSent: number;
  virtualMs: number;
  clients: number;
  streams: number;
  /** Bytes that applications read. */
  bytes: number;
  /** Messages that arrived. */
  messages: number;
  resets: number;
  stops: number;
  /** Handshakes of the clients, except the first of each run. */
  rekeys: number;
  restarts: number;
  closes: number;
  removals: number;
  misbehaved: number;
  floods: number;
  moves: number;
  freezes: number;
  /** Streams that ended with a restart or a close. */
  lostStreams: number;
  /** The time from the last planned action to the end of the last stream. */
  waitedMs: number;
  /** 1 when streams were left over, so that the network had to be healed. */
  healed: number;
}

export function statsOf(
  scenario: Scenario,
  world: World,
  processes: readonly ProcessModel[],
  waitedMs: number,
  healed: boolean,
): RunStats {
  const ends = processes.flatMap((process) => process.ends);
  const { clients, restarts, close, removal, violation, floods, freezes } = scenario;
  const counts = world.networks.map((network) => network.counts);
  const total = (name: keyof NetworkCounts) => counts.reduce((sum, count) => sum + count[name], 0);
  const handshakes = processes
    .filter(({ node }) => node !== 'relay')
    .reduce((sum, process) => sum + Math.max(0, (process.link('relay')?.stats.handshakes ?? 0) - 1), 0);
  return {
    delivered: total('delivered'),
    lost: total('lost'),
    duplicated: total('duplicated'),
    corrupted: total('corrupted'),
    forged: total('forged'),
    replayed: total('replayed'),
    misdirected: total('misdirected'),
    datagramsSent: world.datagramsSent,
    virtualMs: world.now,
    clients: clients.length,
    streams: clients.reduce((sum, { streams }) => sum + streams.length, 0),
    bytes: ends.reduce((sum, end) => sum + end.readBytes, 0),
    messages: ends.reduce((sum, end) => sum + end.messages, 0),
    resets: ends.filter((end) => end.sawReset).length,
    stops: ends.filter((end) => end.wasStopped).length,
    rekeys: handshakes,
    restarts: restarts.length,
    closes: close === undefined ? 0 : 1,
    removals: removal === undefined ? 0 : 1,
    misbehaved: violation === undefined ? 0 : 1,
    floods: floods.length,
    moves: clients.reduce((sum, { network }) => sum + network.moves.length, 0),
    freezes: freezes.length,
    lostStreams: ends.filter((end) => end.isLost).length,
    waitedMs,
    healed: healed ? 1 : 0,
  };
}
