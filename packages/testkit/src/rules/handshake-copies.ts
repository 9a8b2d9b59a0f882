import { MessageKind } from '../observer/observer.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec session 5.7: when the copies of a message are due, after it was sent. */
const INITIATION_COPIES_MS = [400, 1_200, 2_200, 3_200, 4_200];
const RESPONSE_COPIES_MS = [300, 1_000];

interface Pending {
  readonly at: number;
  copies: number;
}

interface State {
  initiation: Pending | undefined;
  response: Pending | undefined;
  /** The keys under which the peer has sent. */
  readonly usedKeys: Set<string | undefined>;
}

export const handshakeCopies: Rule = {
  name: 'handshake copies',
  holds:
    'spec session 5.7: an initiation without a response is repeated 0.4 s and 1.2 s after it was sent, and then every second until the next; a response is repeated 0.3 s and 1 s after it was sent, unless the other side has used its keypair by then.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<State>(() => ({
      initiation: undefined,
      response: undefined,
      usedKeys: new Set(),
    }));
    /** Reports a copy that is overdue, once. @returns the message if it is still to be followed */
    const judge = (
      pending: Pending | undefined,
      due: readonly number[],
      say: (dueMs: number, agoMs: number) => void,
    ): Pending | undefined => {
      const dueMs = due[pending?.copies ?? 0];
      if (pending === undefined || dueMs === undefined) return undefined;
      const agoMs = stage.now() - pending.at;
      // Each copy is counted from the one before, and each may be a little late.
      if (agoMs <= dueMs + (pending.copies + 1) * slackMs) return pending;
      say(dueMs, agoMs);
      return undefined;
    };
    return {
      onSent({ by, towards, kind, isCopy, at }) {
        if (towards === undefined || kind === MessageKind.transport) return;
        const state = states.of(by, towards);
        const { initiation, response } = state;
        const fresh = { at, copies: 0 };
        if (kind === MessageKind.initiation && !isCopy) state.initiation = fresh;
        else if (kind === MessageKind.initiation && initiation !== undefined) initiation.copies++;
        else if (kind === MessageKind.response && !isCopy) state.response = fresh;
        else if (kind === MessageKind.response && response !== undefined) response.copies++;
      },
      onArrived({ by, sent, isFresh, madeKeypair }) {
        if (sent === undefined) return;
        const state = states.of(by, sent.by.node);
        const isFirstUse = isFresh && !state.usedKeys.has(sent.key);
        if (isFirstUse) state.usedKeys.add(sent.key);
        // A handshake of the other side completes ours too (spec session 2.5).
        if (!madeKeypair && !isFirstUse) return;
        state.initiation = undefined;
        state.response = undefined;
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          const { initiation, response } = state;
          if (initiation === undefined && response === undefined) continue;
          const since = Math.min(initiation?.at ?? Infinity, response?.at ?? Infinity);
          if (
            !stage.path(process, peer).isSettled ||
            stage.wasFrozen(process, since) ||
            stage.wasEnded(process, peer)
          ) {
            state.initiation = undefined;
            state.response = undefined;
            continue;
          }
          const say = (name: string) => (dueMs: number, agoMs: number) =>
            stage.report(
              `${process.name} sent ${name} ${agoMs.toFixed(0)} ms ago; a copy was due after ${dueMs} ms`,
            );
          state.initiation = judge(initiation, INITIATION_COPIES_MS, say('an initiation'));
          state.response = judge(response, RESPONSE_COPIES_MS, say('a response'));
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
