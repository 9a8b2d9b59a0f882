import { MessageKind, type ObservedProcess, type SentDatagram } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec session 5 */
const REKEY_TIMEOUT_MS = 5_000;
const JITTER_MS = 334;
const REKEY_AFTER_TIME_MS = 120_000;
const REJECT_AFTER_TIME_MS = 180_000;
const NO_ANSWER_MS = 15_000;
/** spec recovery 4.1. The model only estimates the probe timeout. */
const SUSPECT_MS = 1_000;
const PTO_MARGIN = 1.5;
/** How many copies of an initiation may follow it before the next one. */
const MAX_COPIES = 8;

interface Handshakes {
  initiatedAt: number;
  /** When an unproven address last limited what it may send, and whether it did at the last turn. An initiation that was
   *  held back for that reason is tried again like a lost one. */
  limitedAt: number;
  isLimited: boolean;
  copies: number;
  responseCopies: number;
  receivedAt: number;
  /** When the oldest unanswered data was sent, or infinity. */
  unansweredSince: number;
  /** When the oldest packet was sent that has to be acknowledged, since the peer was last heard, or infinity. */
  askedAt: number;
  /** What to report unless an initiation is sent in this turn. */
  overdue: string | undefined;
}

interface Keypair {
  /** Since when it counts (spec session 5.1). */
  readonly at: number;
  readonly isInitiator: boolean;
  isConfirmed: boolean;
}

export const handshakePace: Rule = {
  name: 'handshake pace',
  holds:
    'spec session 5: initiations to one peer are at least 5 s apart; a keypair that is 180 s old is not used in either direction; its initiator renews it when it sends after 120 s; when data was sent and nothing was received for 15 s a handshake starts; recovery 4.1: so it does when an answer has been due for a second and a probe timeout. Handshake 3.3: an initiation is accepted once. Session 2.3: nothing is sent under a keypair before the initiator has used it.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<Handshakes>(() => ({
      initiatedAt: Number.NEGATIVE_INFINITY,
      limitedAt: Number.NEGATIVE_INFINITY,
      isLimited: false,
      copies: 0,
      responseCopies: 0,
      receivedAt: 0,
      unansweredSince: Infinity,
      askedAt: Infinity,
      overdue: undefined,
    }));
    /** The keypairs of each process by key; both keys of a pair have the same entry. */
    const keypairs = new Map<ObservedProcess, Map<string | undefined, Keypair>>();
    const keypairsOf = (process: ObservedProcess): Map<string | undefined, Keypair> => {
      const own = keypairs.get(process) ?? new Map<string | undefined, Keypair>();
      keypairs.set(process, own);
      return own;
    };
    const accepted = new PerPeer(() => new Set<SentDatagram>());
    const accept = (by: ObservedProcess, sent: SentDatagram): void => {
      const ofPeer = accepted.of(by, sent.by.node);
      if (ofPeer.has(sent)) {
        stage.report(`${by.name} accepted an initiation of ${sent.by.name} for the second time`);
      }
      ofPeer.add(sent);
    };
    /** Reports once that the keys may be dead and no handshake was started. */
    const judgeKeys = (state: Handshakes, process: ObservedProcess, peer: NodeName): void => {
      const now = stage.now();
      const silentMs = now - state.askedAt;
      if (silentMs <= SUSPECT_MS + slackMs) return;
      const flight = stage.flight(process, peer);
      const { smoothedRttMs = Infinity } = stage.stats(process, peer) ?? {};
      const patienceMs = PTO_MARGIN * Math.max(flight.probeTimeoutMs, smoothedRttMs) + slackMs;
      if (!flight.hasTail || silentMs <= Math.max(SUSPECT_MS + slackMs, patienceMs)) return;
      if (now - state.initiatedAt <= REKEY_TIMEOUT_MS + JITTER_MS + slackMs) return;
      const { askedAt } = state;
      state.askedAt = Infinity;
      const limitedAgoMs = now - state.limitedAt;
      if (limitedAgoMs <= Math.max(silentMs, REKEY_TIMEOUT_MS + JITTER_MS + slackMs)) return;
      if (stage.wasFrozen(process, askedAt) || stage.wasEnded(process, peer)) return;
      stage.report(
        `${process.name} has had no answer for ${Math.floor(silentMs)} ms and has not asked for a handshake`,
      );
    };
    return {
      onArrived({ by, sent, kind, at, madeKeypair, isFresh }) {
        if (sent === undefined) return;
        const state = states.of(by, sent.by.node);
        if (madeKeypair) {
          const isInitiator = kind === MessageKind.response;
          const since = isInitiator && Number.isFinite(state.initiatedAt) ? state.initiatedAt : at;
          const pair = { at: since, isInitiator, isConfirmed: isInitiator };
          for (const { key } of by.crypto.keys.slice(-2)) keypairsOf(by).set(key, pair);
          state.responseCopies = 0;
          if (kind === MessageKind.initiation) accept(by, sent);
        }
        if (madeKeypair || isFresh) {
          state.receivedAt = at;
          state.unansweredSince = Infinity;
          state.askedAt = Infinity;
        }
        const pair = keypairs.get(by)?.get(sent.key);
        if (pair === undefined || !isFresh) return;
        pair.isConfirmed = true;
        if (at - pair.at >= REJECT_AFTER_TIME_MS) {
          stage.report(`${by.name} opened a message under a keypair of ${Math.floor(at - pair.at)} ms`);
        }
      },
      onSent({ by, towards, kind, key, at, isCopy, original, payloadBytes, packet }) {
        if (towards === undefined) return;
        const state = states.of(by, towards);
        if (state.isLimited || !stage.path(by, towards).isSettled) state.limitedAt = at;
        if (kind === MessageKind.initiation && isCopy) {
          if (++state.copies > MAX_COPIES)
            stage.report(`${by.name} sent an initiation ${state.copies + 1} times`);
        } else if (kind === MessageKind.initiation) {
          // As a sum: the difference of two times that are 5 s apart can be a little less, rounded.
          if (at < state.initiatedAt + REKEY_TIMEOUT_MS) {
            stage.report(`${by.name} sent initiations ${(at - state.initiatedAt).toFixed(1)} ms apart`);
          }
          state.initiatedAt = at;
          state.overdue = undefined;
          state.copies = 0;
          state.unansweredSince = Infinity;
        } else if (kind === MessageKind.response && isCopy && ++state.responseCopies > 2) {
          stage.report(`${by.name} sent a response ${state.responseCopies + 1} times`);
        }
        if (packet?.isAckEliciting === true) state.askedAt = Math.min(state.askedAt, at);
        const pair = keypairs.get(by)?.get(original?.key ?? key);
        if (pair === undefined) return;
        const ageMs = at - pair.at;
        if (!pair.isConfirmed)
          stage.report(`${by.name} sent under a keypair that the other side has not used`);
        if (ageMs >= REJECT_AFTER_TIME_MS) {
          stage.report(`${by.name} sent under a keypair of ${Math.floor(ageMs)} ms`);
        }
        // After a farewell there is nothing to renew: neither after the CLOSE of a peer that is removed, which follows its
        // event, nor after a copy, which belongs to no connection.
        if (original !== undefined || packet?.closeCode !== undefined) return;
        const initiatedAgoMs = at - state.initiatedAt;
        const patienceMs = REKEY_TIMEOUT_MS + JITTER_MS + slackMs;
        if (
          pair.isInitiator &&
          ageMs > REKEY_AFTER_TIME_MS + patienceMs &&
          initiatedAgoMs > patienceMs &&
          at - state.limitedAt > patienceMs &&
          !stage.wasFrozen(by, at - patienceMs)
        ) {
          state.overdue = `${by.name} sends under a keypair of ${Math.floor(ageMs)} ms and initiated ${Math.floor(initiatedAgoMs)} ms ago`;
        }
        if (payloadBytes > 0 && packet !== undefined)
          state.unansweredSince = Math.min(state.unansweredSince, at);
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        // The last message was a CLOSE: the keypair ends with it, so there is nothing to renew.
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) states.of(process, peer).overdue = undefined;
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          state.isLimited = !stage.path(process, peer).isSettled;
          if (state.isLimited) state.limitedAt = stage.now();
          if (state.overdue !== undefined) stage.report(state.overdue);
          state.overdue = undefined;
          judgeKeys(state, process, peer);
          const silentMs = stage.now() - state.unansweredSince;
          if (silentMs <= NO_ANSWER_MS + JITTER_MS + slackMs + REKEY_TIMEOUT_MS) continue;
          const isAble =
            stage.path(process, peer).isSettled && !stage.wasFrozen(process, state.unansweredSince);
          if (isAble && !stage.wasEnded(process, peer)) {
            stage.report(
              `${process.name} got no answer for ${Math.floor(silentMs)} ms and started no handshake`,
            );
          }
          state.unansweredSince = Infinity;
        }
      },
    };
  },
};
