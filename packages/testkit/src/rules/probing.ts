import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import type { FlightModel } from './flight-model.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec outage 1, recovery 4 */
const LONGEST_MS = { client: 1_500, relay: 10_000 } as const;
/** After persistent congestion the sender forgets the minimum round trip. Then it may not subtract the reported ACK
 *  delay, which increases the variance. */
const DOUBT_MS = 125;
const INITIAL_RTT_MS = 333;
const ABLE_KEY_MS = 175_000;

interface Asking {
  sentAt: number;
  keyedAt: number;
  /** When an unproven address last limited what it may send. Round trips before that may belong to another path. */
  limitedAt: number;
  /** A keypair that we made as the responder: when, and the key under which the peer will send. */
  unconfirmed: { readonly at: number; readonly key: string | undefined } | undefined;
}

export const probing: Rule = {
  name: 'probing',
  holds:
    'spec recovery 4, outage 1: with ack-eliciting packets in flight a timer runs: a single probe timeout after an acknowledgement, doubled for each expiry, and its interval exceeds neither 1.5 s at a client nor 10 s at a relay, unless a single probe timeout is longer.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<Asking>(() => ({
      sentAt: 0,
      keyedAt: Number.NEGATIVE_INFINITY,
      limitedAt: Number.NEGATIVE_INFINITY,
      unconfirmed: undefined,
    }));
    /** The longest time for which it may be silent now. */
    const mostMs = (state: Asking, flight: FlightModel, isRelay: boolean, handshakeRttMs = 0): number => {
      const unknownMs = 3 * Math.max(INITIAL_RTT_MS, handshakeRttMs) + DOUBT_MS;
      const isKnown = flight.hasSample && flight.sampleSentAt > state.limitedAt;
      const single = isKnown ? flight.probeTimeoutMs + DOUBT_MS : Math.max(unknownMs, flight.probeTimeoutMs);
      const longest = Math.max(LONGEST_MS[isRelay ? 'relay' : 'client'], single);
      const isFresh = isKnown && state.sentAt > state.keyedAt && flight.ackedAt > state.keyedAt;
      if (!isFresh) return longest + slackMs;
      // Each packet since the acknowledgement may stand for one expiry. A loss timer takes precedence.
      const backedOff = single * 2 ** Math.min(flight.sentSinceAck, 16);
      return Math.max(Math.min(backedOff, longest), 2 * flight.rttMs + 1) + slackMs;
    };
    const judge = (state: Asking, process: ObservedProcess, peer: NodeName): void => {
      const flight = stage.flight(process, peer);
      if (!flight.hasTail) return;
      const now = stage.now();
      const silentMs = now - state.sentAt;
      const isRelay = process.node === 'relay';
      // A handshake's round trip can only add to it. Statistics are expensive, and this runs for each datagram.
      if (silentMs <= mostMs(state, flight, isRelay)) return;
      if (silentMs <= mostMs(state, flight, isRelay, stage.stats(process, peer)?.handshakeRttMs)) return;
      const isAble =
        now - state.keyedAt < ABLE_KEY_MS &&
        state.sentAt > state.limitedAt &&
        !stage.wasFrozen(process, state.sentAt) &&
        !stage.wasEnded(process, peer);
      if (isAble && stage.path(process, peer).isSettled) {
        stage.report(
          `${process.name} waits for an acknowledgement and has not asked for ${Math.floor(silentMs)} ms; a probe timeout is ${flight.probeTimeoutMs.toFixed(1)} ms`,
        );
      }
      state.sentAt = now;
    };
    return {
      onSent({ by, towards, packet, at, key }) {
        if (towards === undefined || key === undefined || packet === undefined) return;
        const state = states.of(by, towards);
        if (!packet.isAckEliciting) return;
        judge(state, by, towards);
        state.sentAt = at;
      },
      onArrived({ by, sent, kind, isFresh, dropped, madeKeypair, at }) {
        if (sent === undefined) return;
        const state = states.of(by, sent.by.node);
        // A responder may send once the initiator has used the keypair (spec session 2.3).
        if (madeKeypair && kind === MessageKind.initiation) {
          state.unconfirmed = { at, key: by.crypto.keys.at(-1)?.key };
        } else if (madeKeypair) {
          state.keyedAt = at;
          state.sentAt = at;
        } else if (isFresh && sent.key === state.unconfirmed?.key) {
          state.keyedAt = state.unconfirmed?.at ?? at;
          state.sentAt = at;
          state.unconfirmed = undefined;
        }
        if (sent.packet?.ack !== undefined && isFresh && dropped === undefined) {
          // Packets below it will be acknowledged or declared lost, and have a timer of their own.
          if (stage.flight(by, sent.by.node).ackedAt === at) state.sentAt = Math.max(state.sentAt, at);
        }
        if (!stage.path(by, sent.by.node).isSettled) state.limitedAt = at;
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          if (!stage.path(process, peer).isSettled) state.limitedAt = stage.now();
          judge(state, process, peer);
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
