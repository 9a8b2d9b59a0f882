import { ConnectionErrorCode } from '@underpass/protocol';
import type { ObservedProcess } from '../observer/observer.js';
import type { PacketView } from '../observer/packet-view.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec streams 3.5 */
const INITIAL_MAX_DATA = 1024 * 1024;
const INITIAL_MAX_STREAM_DATA = 16 * 1024;
/** spec streams 5.2, 5.3, 5.6: the smallest steps in which credit is sent. */
const LEAST_STEP_BYTES = 1024;
const LEAST_SHARE = 0.25;
const ROUNDING = 0.01;
/** The first probe timeout is a second (spec recovery 4). The pacer may hold a packet back for a round trip besides, at the
 *  smallest window. */
const PATIENCE_MS = 2_000;

/** The limits that one side has set for the other. */
interface Limits {
  epoch: string;
  maxData: number;
  maxStreamData: number;
  readonly streams: Map<number, number>;
}

interface State {
  /** What the peer has told us, and what we have told it. */
  readonly ofPeer: Limits;
  readonly ours: Limits;
  /** The limits for which we have said that we are blocked. */
  blockedAt: number;
  readonly streamsBlockedAt: Map<number, number>;
  /** How far the peer's data has come, of each stream and in all. */
  readonly arrived: Map<number, number>;
  arrivedBytes: number;
  /** When FIN or RESET_STREAM of a stream arrived, or its reader stopped. */
  readonly over: Map<number, number>;
  /** Since when every turn has ended with room in the window: what was due before has been sent. */
  freeSince: number | undefined;
  /** How many restarts of the peer a packet has revealed, of which no event has told yet. */
  restarts: number;
}

export const limitsTold: Rule = {
  name: 'limits told',
  holds:
    'spec streams 5.1: a side that is blocked by a limit says so once for that limit, and states the one that it knows; no credit is sent for a direction whose size is known or whose reader has stopped. 5.2, 5.6: a new limit of a stream adds at least 1 KiB; 5.3: a new MAX_DATA adds a quarter to what the peer may still send.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<State>(() => ({
      ofPeer: nothingTold(),
      ours: nothingTold(),
      blockedAt: -1,
      streamsBlockedAt: new Map(),
      arrived: new Map(),
      arrivedBytes: 0,
      over: new Map(),
      freeSince: stage.now(),
      restarts: 0,
    }));

    /** Whether the congestion window and the address let another packet leave. */
    const isFree = (process: ObservedProcess, peer: NodeName): boolean => {
      const stats = stage.stats(process, peer);
      if (stats === undefined || !stage.path(process, peer).isSettled) return false;
      return stats.bytesInFlight + stats.datagramBytes <= stats.congestionWindowBytes;
    };

    /** Whether credit for this stream became due only after its end. Credit that was due before is pending until the
     *  window has room, however long that takes: a peer that has fallen silent leaves it to the probe timeouts. A new
     *  keypair may have been waited for as well. */
    const isNeedless = (
      state: State,
      streamId: number,
      process: ObservedProcess,
      peer: NodeName,
    ): boolean => {
      const overAt = state.over.get(streamId);
      if (overAt === undefined || overAt === Number.NEGATIVE_INFINITY) return overAt !== undefined;
      if (state.freeSince === undefined) return false;
      const since = Math.max(overAt, state.freeSince);
      const { smoothedRttMs = 0 } = stage.stats(process, peer) ?? {};
      const patienceMs = PATIENCE_MS + slackMs + smoothedRttMs;
      if (stage.now() - since <= patienceMs || stage.wasFrozen(process, overAt)) return false;
      const current = stage.view(process, peer)?.keypairs.find(({ slot }) => slot === 'current');
      return current !== undefined && current.createdAt <= since;
    };

    /** Blocked frames, of which each must be true and new. */
    const judgeBlocked = (state: State, name: string, packet: PacketView): void => {
      const { ofPeer, streamsBlockedAt } = state;
      const { dataBlocked, streamsBlocked = [] } = packet;
      if (dataBlocked !== undefined) {
        if (dataBlocked !== ofPeer.maxData || dataBlocked === state.blockedAt)
          stage.report(
            `${name} says that it is blocked at ${dataBlocked}, its limit is ${ofPeer.maxData}, it said so at ${state.blockedAt}`,
          );
        state.blockedAt = dataBlocked;
      }
      for (const { streamId, value } of streamsBlocked) {
        const limit = Math.max(ofPeer.streams.get(streamId) ?? 0, ofPeer.maxStreamData);
        const before = streamsBlockedAt.get(streamId);
        if (value !== limit || value === before)
          stage.report(
            `${name} says that stream ${streamId} is blocked at ${value}, its limit is ${limit}, it said so at ${before}`,
          );
        streamsBlockedAt.set(streamId, value);
      }
    };

    const judgeCredit = (state: State, by: ObservedProcess, towards: NodeName, packet: PacketView): void => {
      const { name } = by;
      const { ours, over, arrivedBytes } = state;
      const { hello, maxData, streamLimits = [], stops = [] } = packet;
      if (hello !== undefined) ours.maxData = Math.max(ours.maxData, hello.maxData);
      if (maxData !== undefined && maxData > ours.maxData) {
        const gain = maxData - ours.maxData;
        if (gain < LEAST_SHARE * (ours.maxData - arrivedBytes) * (1 - ROUNDING) - 1)
          stage.report(
            `${name} adds ${gain} to MAX_DATA; ${ours.maxData - arrivedBytes} bytes could still be sent`,
          );
        ours.maxData = maxData;
      }
      for (const { streamId } of stops) over.set(streamId, Number.NEGATIVE_INFINITY);
      for (const { streamId, value } of streamLimits) {
        const before = ours.streams.get(streamId) ?? ours.maxStreamData;
        if (isNeedless(state, streamId, by, towards))
          stage.report(`${name} gives credit for stream ${streamId}, which needs none`);
        if (value > before && value < before + LEAST_STEP_BYTES)
          stage.report(`${name} adds ${value - before} bytes to the limit of stream ${streamId}`);
        ours.streams.set(streamId, Math.max(value, before));
      }
    };

    const arrive = (state: State, packet: PacketView): void => {
      const { ofPeer, arrived, over } = state;
      const { hello, maxData = 0, streamLimits, pieces, resets } = packet;
      if (hello !== undefined && hello.epoch !== ofPeer.epoch) {
        if (ofPeer.epoch !== '') state.restarts++;
        Object.assign(ofPeer, nothingTold(), { epoch: hello.epoch });
        arrived.clear();
        over.clear();
        state.arrivedBytes = 0;
        state.blockedAt = -1;
        state.streamsBlockedAt.clear();
      }
      ofPeer.maxData = Math.max(ofPeer.maxData, maxData, hello?.maxData ?? 0);
      ofPeer.maxStreamData = Math.max(ofPeer.maxStreamData, hello?.maxStreamData ?? 0);
      if (streamLimits !== undefined) {
        for (const { streamId, value } of streamLimits)
          ofPeer.streams.set(streamId, Math.max(value, ofPeer.streams.get(streamId) ?? 0));
      }
      const note = (streamId: number, end: number, isLast: boolean): void => {
        const before = arrived.get(streamId) ?? 0;
        if (end > before) {
          arrived.set(streamId, end);
          state.arrivedBytes += end - before;
        }
        if (isLast && !over.has(streamId)) over.set(streamId, stage.now());
      };
      if (pieces !== undefined)
        for (const { streamId, offset, length, fin } of pieces) note(streamId, offset + length, fin);
      if (resets !== undefined) for (const { streamId, value } of resets) note(streamId, value, true);
    };

    return {
      onSent({ by, towards, packet }) {
        if (towards === undefined || packet === undefined) return;
        if (stage.flight(by, towards).isAnother(packet))
          Object.assign(states.of(by, towards).ours, nothingTold());
        const { hello, maxData, streamLimits, stops, dataBlocked, streamsBlocked } = packet;
        if ((hello ?? maxData ?? streamLimits ?? stops ?? dataBlocked ?? streamsBlocked) === undefined)
          return;
        const state = states.of(by, towards);
        judgeCredit(state, by, towards, packet);
        judgeBlocked(state, by.name, packet);
      },
      onArrived({ by, sent, isFresh, dropped }) {
        if (sent?.packet === undefined || !isFresh || dropped !== undefined) return;
        arrive(states.of(by, sent.by.node), sent.packet);
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          if (state.over.size === 0) continue;
          if (!isFree(process, peer)) state.freeSince = undefined;
          else state.freeSince ??= stage.now();
        }
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        // A restart was already handled with the packet that revealed it, unless that was dropped (spec streams 3.4).
        const state = states.of(process, peer);
        if (event.error.code === ConnectionErrorCode.peerRestarted && state.restarts > 0) state.restarts--;
        else states.reset(process, peer);
      },
    };
  },
};

function nothingTold(): Limits {
  return {
    epoch: '',
    maxData: INITIAL_MAX_DATA,
    maxStreamData: INITIAL_MAX_STREAM_DATA,
    streams: new Map(),
  };
}
