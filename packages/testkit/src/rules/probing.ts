import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec outage 1, recovery 4 */
const LONGEST_MS = { client: 1_500, relay: 10_000 } as const;
/** As long as a single probe timeout is shorter. */
const PROBE_TIMEOUT_RTTS = 6;
const ACK_DELAY_MS = 25;
const ABLE_KEY_MS = 175_000;

interface Asking {
  sentAt: number;
  readonly unacknowledged: Set<number>;
  keyedAt: number;
  isOnTrial: boolean;
}

export const probing: Rule = {
  name: 'probing',
  holds:
    'spec recovery 4, outage 1: with ack-eliciting packets in flight a timer runs, and its interval exceeds neither 1.5 s at a client nor 10 s at a relay, unless a single probe timeout is longer.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<Asking>(() => ({
      sentAt: 0,
      unacknowledged: new Set(),
      keyedAt: Number.NEGATIVE_INFINITY,
      isOnTrial: false,
    }));
    return {
      onSent({ by, towards, packet, at, key }) {
        if (towards === undefined || key === undefined) return;
        const state = states.of(by, towards);
        if (packet?.isAckEliciting !== true) return;
        state.sentAt = at;
        state.unacknowledged.add(packet.packetNumber);
      },
      onArrived({ by, sent, isFresh, dropped, madeKeypair, at }) {
        if (sent === undefined) return;
        const state = states.of(by, sent.by.node);
        if (madeKeypair) {
          state.keyedAt = at;
          state.sentAt = at;
        }
        const ack = sent.packet?.ack;
        if (ack === undefined || !isFresh || dropped !== undefined) return;
        const largest = ack.ranges[0]?.[1] ?? -1;
        // What is below is acknowledged or declared lost sooner or later, and has its own timer.
        for (const n of state.unacknowledged) if (n <= largest) state.unacknowledged.delete(n);
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          if (state.unacknowledged.size === 0) continue;
          const stats = stage.stats(process, peer);
          const rttMs = stats?.smoothedRttMs ?? Math.max(333, stats?.handshakeRttMs ?? 0);
          const longest = LONGEST_MS[process.node === 'relay' ? 'relay' : 'client'];
          const now = stage.now();
          const mostMs = Math.max(longest, PROBE_TIMEOUT_RTTS * rttMs + ACK_DELAY_MS) + slackMs;
          if (now - state.sentAt <= mostMs) continue;
          const isAble =
            now - state.keyedAt < ABLE_KEY_MS &&
            !stage.wasFrozen(process, state.sentAt) &&
            !stage.wasEnded(process, peer);
          if (isAble && stage.path(process, peer).isSettled) {
            stage.report(
              `${process.name} waits for an acknowledgement and has not asked for ${Math.floor(now - state.sentAt)} ms`,
            );
          }
          state.sentAt = now;
        }
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) states.reset(process, peer);
      },
    };
  },
};
