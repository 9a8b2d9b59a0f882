import type { Deadline } from '@underpass/protocol';
import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec session 5.7: when the copies of a message are due, after it was sent. */
const INITIATION_COPIES_MS = [400, 1_200, 2_200, 3_200, 4_200];
const RESPONSE_COPIES_MS = [300, 1_000];

/** The timers that the core names when a copy is due. */
const KINDS: Readonly<Record<string, number>> = {
  'initiation-copy': MessageKind.initiation,
  'response-copy': MessageKind.response,
};

interface Pending {
  readonly at: number;
  copies: number;
}

interface State {
  initiation: Pending | undefined;
  response: Pending | undefined;
  /** The kinds of handshake messages that were sent in this turn, and whether one of them was a copy. */
  readonly sentKinds: Set<number>;
  hasCopied: boolean;
  /** The keys under which the peer has sent. */
  readonly usedKeys: Set<string | undefined>;
}

export const handshakeCopies: Rule = {
  name: 'handshake copies',
  holds:
    'spec session 5.7: an initiation without a response is repeated 0.4 s and 1.2 s after it was sent, and then every second until the next; a response is repeated 0.3 s and 1 s after it was sent, unless the other side has used its keypair by then. Session 1: the moment that the core names for a copy has the name of that copy.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<State>(() => ({
      initiation: undefined,
      response: undefined,
      sentKinds: new Set(),
      hasCopied: false,
      usedKeys: new Set(),
    }));
    /** Reports a copy that has the name of the other message. A copy that exceeds the allowance of an address is not sent
     *  (spec path 2), so only a settled path shows that the named one is missing. After a sleep, the next initiation may
     *  come instead, or nothing at all. With several peers, it is not known whose moment it was. */
    const judgeName = (process: ObservedProcess, peer: NodeName, due: Deadline): void => {
      const kind = KINDS[due.reason];
      const { sentKinds, hasCopied } = states.of(process, peer);
      if (kind === undefined || !hasCopied || sentKinds.has(kind) || stage.wasFrozen(process, due.at)) return;
      if (process.peers.length === 1 && stage.path(process, peer).isSettled)
        stage.report(`${process.name} names the moment ${due.reason}, and copies the other message`);
    };
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
        state.sentKinds.add(kind);
        state.hasCopied ||= isCopy;
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
      onTurn(process, { due, isUnasked }) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          if (state.sentKinds.size > 0) {
            if (due !== undefined && !isUnasked) judgeName(process, peer, due);
            state.sentKinds.clear();
            state.hasCopied = false;
          }
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
