import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec recovery 6 */
const GAIN = 2;
const TIMER_GRAIN_MS = 4;
const MAX_CATCH_UP_MS = 20;
const BURST_DATAGRAMS = 10;
/** Probes, a challenge, a HELLO and an MTU probe are not paced. */
const BEYOND_DATAGRAMS = 6;
const DATAGRAM_BYTES = 1_472;

interface Burst {
  bytes: number;
  windowBytes: number;
  rttMs: number;
  turnAt: number;
}

export const pacing: Rule = {
  name: 'pacing',
  holds:
    "spec recovery 6: packets leave at most at twice the window per smoothed RTT, when the controller names no rate, from a bucket that holds what a timer's grain of 4 ms needs, at least 10 datagrams, and what would have left while the sender wanted to send and was not run, up to 20 ms. So no turn sends more than the bucket.",
  watch(stage) {
    const catchUpMs = Math.min(tardinessMs(stage.scenario), MAX_CATCH_UP_MS);
    const bursts = new PerPeer<Burst>(() => ({
      bytes: 0,
      windowBytes: Infinity,
      rttMs: 0,
      turnAt: stage.now(),
    }));
    return {
      onSent({ by, towards, packet, bytes }) {
        if (towards !== undefined && packet?.isAckEliciting === true) bursts.of(by, towards).bytes += bytes;
      },
      onTurn(process) {
        const { congestion } = stage.transport(process);
        if (congestion === 'bbr') return;
        for (const peer of process.peers) {
          const burst = bursts.of(process, peer);
          const { congestionWindowBytes = Infinity, smoothedRttMs = 0 } = stage.stats(process, peer) ?? {};
          const windowBytes = Math.max(burst.windowBytes, congestionWindowBytes);
          const rttMs = Math.min(burst.rttMs, smoothedRttMs);
          const rate = (GAIN * windowBytes) / Math.max(rttMs, 0.01);
          const lateMs = stage.wasFrozen(process, burst.turnAt) ? MAX_CATCH_UP_MS : catchUpMs;
          const bucket = Math.max(BURST_DATAGRAMS * DATAGRAM_BYTES, TIMER_GRAIN_MS * rate) + lateMs * rate;
          if (burst.bytes > bucket + BEYOND_DATAGRAMS * DATAGRAM_BYTES) {
            stage.report(
              `${process.name} sent ${burst.bytes} bytes in one turn; its pacer holds ${bucket.toFixed(0)}`,
            );
          }
          burst.bytes = 0;
          burst.windowBytes = congestionWindowBytes;
          burst.rttMs = smoothedRttMs;
          burst.turnAt = stage.now();
        }
      },
    };
  },
};
