import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec session 6.2 */
const KEEPALIVE_MS = 10_000;
const EXPIRED_MS = 179_000;
const ROUNDING_MS = 0.001;
/** spec session 5.5: without keys there are handshakes instead, at least this often. */
const REKEY_TIMEOUT_MS = 5_334;

interface Quiet {
  sentAt: number;
  lastAt: number;
  /** When the oldest data arrived after which nothing was sent, or infinity. */
  dataAt: number;
  key: string | undefined;
  keyedAt: number;
}

export const keepalives: Rule = {
  name: 'keepalives',
  holds:
    'spec session 6.2: when data was received and nothing was sent for 10 s, a keepalive goes out; 6.3: nothing else goes out but data and handshakes; 6.4: with a persistent interval, a keepalive at its end.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<Quiet>(() => ({
      sentAt: Number.NEGATIVE_INFINITY,
      lastAt: Number.NEGATIVE_INFINITY,
      dataAt: Infinity,
      key: undefined,
      keyedAt: Number.NEGATIVE_INFINITY,
    }));
    /** Reports a persistent interval that has ended without a message, once. */
    const judgeInterval = (state: Quiet, process: ObservedProcess, peer: NodeName): void => {
      const persistentMs = stage.keepaliveMs(process);
      const since = Math.max(state.sentAt, state.lastAt);
      const quietMs = stage.now() - since;
      if (persistentMs === 0 || quietMs <= persistentMs + REKEY_TIMEOUT_MS + slackMs || since < 0) return;
      const isAble = stage.path(process, peer).isSettled && !stage.wasFrozen(process, since);
      if (isAble && !stage.wasEnded(process, peer))
        stage.report(
          `${process.name} has been quiet for ${Math.floor(quietMs)} ms, its interval is ${persistentMs}`,
        );
      state.lastAt = stage.now();
    };
    return {
      onArrived({ by, sent, at, isFresh, madeKeypair }) {
        if (sent === undefined) return;
        const state = states.of(by, sent.by.node);
        judgeInterval(state, by, sent.by.node);
        if (madeKeypair) state.keyedAt = at;
        if (madeKeypair || isFresh) state.lastAt = at;
        if (isFresh && sent.payloadBytes > 0) state.dataAt = Math.min(state.dataAt, at);
      },
      onSent({ by, towards, kind, key, at, payloadBytes }) {
        if (towards === undefined || kind === MessageKind.cookieReply) return;
        const state = states.of(by, towards);
        judgeInterval(state, by, towards);
        const isKeepalive = kind === MessageKind.transport && payloadBytes === 0;
        if (isKeepalive && key === state.key) {
          const persistentMs = stage.keepaliveMs(by);
          const quietMs = at - state.sentAt;
          const isPersistent =
            persistentMs > 0 && at - Math.max(state.sentAt, state.lastAt) >= persistentMs - ROUNDING_MS;
          if (quietMs < KEEPALIVE_MS - ROUNDING_MS && !isPersistent) {
            stage.report(`${by.name} sent a keepalive ${quietMs.toFixed(1)} ms after its last message`);
          }
        }
        if (kind === MessageKind.transport) state.key = key;
        state.sentAt = at;
        state.dataAt = Infinity;
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          const now = stage.now();
          if (now - state.dataAt <= KEEPALIVE_MS + slackMs) continue;
          const isAble =
            now - state.keyedAt < EXPIRED_MS &&
            stage.path(process, peer).isSettled &&
            !stage.wasFrozen(process, state.dataAt);
          if (isAble && !stage.wasEnded(process, peer)) {
            stage.report(
              `${process.name} has sent nothing for ${Math.floor(now - state.dataAt)} ms after data came`,
            );
          }
          state.dataAt = Infinity;
        }
      },
      onEnd(processes) {
        for (const process of processes)
          for (const peer of process.peers) judgeInterval(states.of(process, peer), process, peer);
      },
    };
  },
};
