import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec outage 2 */
const WAITING_AFTER_MS = 2_500;
const WAITING_WITHIN_MS = 3_000;
const ROUNDING_MS = 0.001;
/** The model only estimates the sender's round trip. */
const PTO_MARGIN = 1.1;

interface Silence {
  /** When the oldest packet was sent that has to be acknowledged, or a key was first missed, since the peer was last
   *  heard. */
  askedAt: number | undefined;
  isWaiting: boolean;
}

export const silenceReports: Rule = {
  name: 'silence reports',
  holds:
    'spec outage 2: streams are reported to wait when an answer has been due for 2.5 s or one probe timeout, within 3 s, and once until the peer is heard; then it is reported how long the answer took.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<Silence>(() => ({ askedAt: undefined, isWaiting: false }));
    const connected = new PerPeer(() => ({ is: false }));
    /** Whether something waits to be sent, or to be acknowledged, and there is no key. */
    const isWithoutKey = (process: ObservedProcess, peer: NodeName): boolean => {
      const { unacknowledgedBytes = 0 } = stage.stats(process, peer) ?? {};
      if (unacknowledgedBytes === 0) return false;
      const current = stage.view(process, peer)?.keypairs.find(({ slot }) => slot === 'current');
      return current === undefined || current.expiresAt <= stage.now();
    };
    return {
      onSent({ by, towards, packet, at, kind, isCopy }) {
        if (towards === undefined) return;
        if (packet?.isAckEliciting === true) states.of(by, towards).askedAt ??= at;
        if (kind === MessageKind.initiation && !isCopy && isWithoutKey(by, towards))
          states.of(by, towards).askedAt ??= at;
      },
      onArrived({ by, sent, isFresh, madeKeypair }) {
        if (sent !== undefined && (isFresh || madeKeypair)) states.of(by, sent.by.node).askedAt = undefined;
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const { askedAt, isWaiting } = states.of(process, peer);
          if (askedAt === undefined || isWaiting || !connected.of(process, peer).is) continue;
          const silentMs = stage.now() - askedAt;
          if (silentMs <= WAITING_WITHIN_MS + slackMs || stage.wasFrozen(process, askedAt)) continue;
          if (stage.wasEnded(process, peer)) continue;
          const { smoothedRttMs = Infinity } = stage.stats(process, peer) ?? {};
          const { probeTimeoutMs } = stage.flight(process, peer);
          if (silentMs <= Math.max(smoothedRttMs, PTO_MARGIN * probeTimeoutMs) + slackMs) continue;
          stage.report(
            `${process.name} has had no answer from ${peer} for ${Math.floor(silentMs)} ms and has not reported it`,
          );
          states.reset(process, peer);
        }
      },
      onEvent(process, event) {
        if (!('peer' in event)) return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        const state = states.of(process, peer);
        if (event.type === 'connected') connected.of(process, peer).is = true;
        if (event.type === 'disconnected') {
          connected.of(process, peer).is = false;
          states.reset(process, peer);
        } else if (event.type === 'waiting') {
          const silentMs = stage.now() - event.since;
          if (state.isWaiting) stage.report(`${process.name} reports twice that streams to ${peer} wait`);
          if (silentMs < WAITING_AFTER_MS - ROUNDING_MS)
            stage.report(
              `${process.name} reports after ${silentMs.toFixed(0)} ms that streams to ${peer} wait`,
            );
          state.isWaiting = true;
        } else if (event.type === 'resumed') {
          if (!state.isWaiting) stage.report(`${process.name} reports that ${peer} answers, it did not wait`);
          if (event.silentMs < WAITING_AFTER_MS - ROUNDING_MS)
            stage.report(
              `${process.name} reports that ${peer} took ${event.silentMs.toFixed(0)} ms to answer`,
            );
          state.isWaiting = false;
        }
      },
    };
  },
};
