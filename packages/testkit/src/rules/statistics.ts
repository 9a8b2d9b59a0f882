import { sameAddress } from '@underpass/protocol';
import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** What passed between a process and a peer, counted from outside. */
interface Counted {
  datagramsSent: number;
  bytesSent: number;
  datagramsReceived: number;
  bytesReceived: number;
  /** The totals as the process stated them last. */
  packetsLost: number;
  streamBytesSent: number;
  streamBytesReceived: number;
}

const EXACT = ['datagramsSent', 'bytesSent', 'datagramsReceived', 'bytesReceived'] as const;
const TOTALS = ['packetsLost', 'streamBytesSent', 'streamBytesReceived'] as const;

export const statistics: Rule = {
  name: 'statistics',
  holds:
    'docs/cli.md, status: the datagrams and bytes of a peer are those that were sent to it, and those of it that authenticated; totals go on when a connection ends; the address is where the next datagram goes.',
  watch(stage) {
    const counts = new PerPeer<Counted>(() => ({
      datagramsSent: 0,
      bytesSent: 0,
      datagramsReceived: 0,
      bytesReceived: 0,
      packetsLost: 0,
      streamBytesSent: 0,
      streamBytesReceived: 0,
    }));
    const check = (process: ObservedProcess, peer: NodeName): void => {
      const stats = stage.stats(process, peer);
      // A peer that was removed and added again has not been met yet.
      if (stats === undefined || stats.datagramsReceived === 0) return;
      const counted = counts.of(process, peer);
      for (const name of EXACT) {
        if (stats[name] === counted[name]) continue;
        stage.report(
          `${process.name} states ${name} ${stats[name]} for ${peer}, counted are ${counted[name]}`,
        );
        counted[name] = stats[name];
      }
      for (const name of TOTALS) {
        if (stats[name] < counted[name])
          stage.report(`${process.name} states ${name} ${stats[name]} for ${peer} after ${counted[name]}`);
        counted[name] = stats[name];
      }
      const { address, isCertain, isOnTrial } = stage.path(process, peer);
      if (isCertain && !isOnTrial && !sameAddress(stats.address, address)) {
        stage.report(`${process.name} states another address of ${peer} than it sends to`);
      }
    };
    return {
      onSent({ by, towards, kind, bytes, original }) {
        // The copy of a farewell belongs to no peer any more.
        if (towards === undefined || kind === MessageKind.cookieReply || original !== undefined) return;
        const counted = counts.of(by, towards);
        counted.datagramsSent++;
        counted.bytesSent += bytes;
      },
      onArrived({ by, sent, isFresh, madeKeypair, bytes }) {
        if (sent === undefined || !(isFresh || madeKeypair)) return;
        const counted = counts.of(by, sent.by.node);
        counted.datagramsReceived++;
        counted.bytesReceived += bytes;
      },
      onTurn(process, { datagramsSent }) {
        if (datagramsSent === 0) return;
        for (const peer of process.peers) check(process, peer);
      },
    };
  },
};
