import type { ObservedProcess } from '../observer/observer.js';
import type { AckView } from '../observer/packet-view.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';
import { Unacknowledged } from './unacknowledged.js';

/** spec recovery 3.1 */
const PACKET_THRESHOLD = 3;
const ROUNDING_MS = 0.001;

interface Flight {
  /** The sizes of the packets that are not acknowledged and may still be in flight; 0 for those that do not count. */
  readonly bytes: Unacknowledged<number>;
  /** Their sum. */
  most: number;
  largestAcked: number;
  /** Those three below the largest that is acknowledged, which should be lost. */
  readonly lost: Unacknowledged<true>;
  /** Since a packet was acknowledged after a later one, more than three may have to be. */
  wasReordered: boolean;
  /** What the sender takes for its round trips cannot be known from outside: the path has changed, or a loss may have
   *  made it forget the shortest one. */
  isUnclear: boolean;
  /** A packet was corrupted on purpose, so its content is unknown. */
  isCorrupted: boolean;
  /** A CLOSE was sent, which may have ended the connection. */
  isEnded: boolean;
  provenIp: string | undefined;
  packetsLost: number;
}

export const flights: Rule = {
  name: 'flights',
  holds:
    'spec recovery 3.1: a packet is in flight until it is acknowledged or lost, so what a sender takes for in flight is at least what it must still wait for, and at most what is neither acknowledged nor three below the largest that is; recovery 2: its smoothed round trip is that of RFC 9002 §5.',
  watch(stage) {
    const states = new PerPeer<Flight>((process, peer) => ({
      bytes: new Unacknowledged(),
      most: 0,
      lost: new Unacknowledged(),
      largestAcked: -1,
      wasReordered: false,
      isUnclear: false,
      isCorrupted: false,
      isEnded: false,
      provenIp: undefined,
      packetsLost: stage.stats(process, peer)?.packetsLost ?? 0,
    }));
    const check = (state: Flight, process: ObservedProcess, peer: NodeName): void => {
      const stats = stage.stats(process, peer);
      if (state.isCorrupted || state.isEnded) return;
      // A peer that was removed and added again has not been met yet.
      if (stats === undefined || stats.datagramsReceived === 0) return;
      const model = stage.flight(process, peer);
      state.isUnclear ||= stats.packetsLost > state.packetsLost;
      const { bytesInFlight } = stats;
      if (bytesInFlight > state.most)
        stage.report(
          `${process.name} has ${bytesInFlight} bytes in flight, ${state.most} are neither acknowledged nor lost`,
        );
      // A connection that closes before the peer was met ends unseen: no CLOSE can be sent.
      const mayBeAnother = stage.wasEnded(process, peer);
      if (!state.isUnclear && !mayBeAnother && bytesInFlight < state.most) {
        model.judge(stage.now());
        let least = 0;
        state.bytes.forEach((n, bytes) => {
          if (model.flying.get(n) !== undefined) least += bytes;
        });
        if (bytesInFlight < least)
          stage.report(`${process.name} has ${bytesInFlight} bytes in flight, it must wait for ${least}`);
      }
      const { smoothedRttMs = model.smoothedMs } = stats;
      if (!state.isUnclear && model.hasSample && Math.abs(smoothedRttMs - model.smoothedMs) > ROUNDING_MS)
        stage.report(
          `${process.name} takes ${smoothedRttMs.toFixed(3)} ms for its smoothed round trip, it is ${model.smoothedMs.toFixed(3)}`,
        );
    };
    return {
      onSent({ by, towards, packet, bytes, payloadBytes, original }) {
        if (towards === undefined || original !== undefined) return;
        const state = states.of(by, towards);
        if (packet === undefined) {
          state.isCorrupted ||= payloadBytes > 0;
          return;
        }
        if (stage.flight(by, towards).isAnother(packet)) {
          state.bytes.clear();
          state.lost.clear();
          state.most = 0;
          state.isEnded = false;
        }
        state.isEnded ||= packet.closeCode !== undefined;
        const inFlight = packet.isAckEliciting ? bytes : 0;
        state.bytes.add(packet.packetNumber, inFlight);
        state.most += inFlight;
      },
      onArrived({ by, sent, isFresh, dropped }) {
        if (sent === undefined) return;
        const state = states.of(by, sent.by.node);
        const ack = sent.packet?.ack;
        if (ack !== undefined && isFresh && dropped === undefined) acknowledge(state, ack);
        const { proven } = stage.path(by, sent.by.node);
        state.isUnclear ||= state.provenIp !== undefined && proven?.address !== state.provenIp;
        state.provenIp = proven?.address;
      },
      onTurn(process, { datagramsSent }) {
        if (datagramsSent === 0) return;
        for (const peer of process.peers) check(states.of(process, peer), process, peer);
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        // The address that was proven outlives the connection, as in FlightModels.
        const { provenIp } = states.of(process, peer);
        states.reset(process, peer);
        states.of(process, peer).provenIp = provenIp;
      },
    };
  },
};

function acknowledge(state: Flight, { ranges }: AckView): void {
  const { bytes, lost } = state;
  lost.takeRanges(ranges, () => {
    state.wasReordered = true;
  });
  bytes.takeRanges(ranges, (n, size) => {
    state.most -= size;
    state.wasReordered ||= n < state.largestAcked;
  });
  state.largestAcked = Math.max(state.largestAcked, ranges[0]?.[1] ?? -1);
  if (state.wasReordered) return;
  bytes.takeUpTo(state.largestAcked - PACKET_THRESHOLD, isAny, (n, size) => {
    state.most -= size;
    lost.add(n, true);
  });
}

const isAny = () => true;
