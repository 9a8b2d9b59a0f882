import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** Probes, a challenge, a HELLO and a search for the path's MTU go beyond the window. */
const BEYOND_DATAGRAMS = 6;
const DATAGRAM_BYTES = 1_472;

export const congestionWindow: Rule = {
  name: 'congestion window',
  holds:
    'spec recovery 5.1, 4: what is in flight stays within the window that the congestion controller gives, but for two probes at a time; recovery 5.2: the window does not fall below two datagrams.',
  watch(stage) {
    const before = new PerPeer(() => ({ inFlight: 0 }));
    return {
      onTurn(process, turn) {
        if (turn.datagramsSent === 0) return;
        for (const peer of process.peers) {
          const stats = stage.stats(process, peer);
          if (stats === undefined) continue;
          // A peer that nothing was exchanged with has no connection yet.
          if (stats.datagramsSent === 0 && stats.datagramsReceived === 0) continue;
          const { bytesInFlight, congestionWindowBytes } = stats;
          const state = before.of(process, peer);
          const most = Math.max(congestionWindowBytes, state.inFlight) + BEYOND_DATAGRAMS * DATAGRAM_BYTES;
          if (bytesInFlight > most) {
            stage.report(
              `${process.name} has ${bytesInFlight} bytes in flight, its window is ${congestionWindowBytes}`,
            );
          }
          const { datagramBytes } = stage.transport(process);
          if (congestionWindowBytes < 2 * datagramBytes - 1) {
            stage.report(`${process.name} has a window of ${congestionWindowBytes} bytes`);
          }
          state.inFlight = bytesInFlight;
        }
      },
    };
  },
};
