import type { ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { DeliveryModel, nothingNew } from './delivery-model.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';
import { type Anchor, mostOfCubic, mostOfReno, mostOfSlowStart } from './window-growth.js';

/** What is left of the window after a cut: RFC 9002 §7.3.2, RFC 9438 §4.6. */
const KEPT = { newreno: 0.5, cubic: 0.7 } as const;
/** The largest pacing gain of BBR (draft-ietf-ccwg-bbr §2.4), and some margin. */
const BBR_GAIN = 2.77 * 1.01;
/** spec recovery 1.1, 5.2 */
const MAX_ACK_DELAY_MS = 25;
const INITIAL_WINDOW_BYTES = 14_720;
/** Looking at the inside of a peer costs more than a turn, so one turn in this many is judged. */
const TURNS_PER_LOOK = 16;
const ROUNDING_BYTES = 1;
/** The model does not know to the millisecond when the window was cut, which is where CUBIC's curve begins. */
const CURVE_MARGIN = 1.01;
/** Persistent congestion takes three probe timeouts without an acknowledged packet; the model only estimates them. */
const OUTAGE_PTOS = 1.5;
const PAUSE_MS = 5_000;

interface Judged {
  readonly delivery: DeliveryModel;
  /** The window, and how many packets were lost, at the last turn. */
  window: number | undefined;
  packetsLost: number;
  turnAt: number;
  /** Two moments around the last cut. */
  cutAfter: number;
  cutBefore: number;
  anchor: Anchor | undefined;
  provenIp: string | undefined;
  turns: number;
}

export const congestion: Rule = {
  name: 'congestion',
  holds:
    'spec congestion 2, 3, recovery 5.2: NewReno and CUBIC cut their window to 0.5 and 0.7 of its size, once for all losses of a round trip, and only for the loss of a packet that is no probe of the MTU search (mtu 2.2); it grows by no more than what is acknowledged in slow start, and after a cut by no more than RFC 9002 §7.3.3 and RFC 9438 §4.2 allow. Recovery 5.4: BBR paces at no more than 2.77 of the fastest rate at which anything was acknowledged, or of the first window per round trip.',
  watch(stage) {
    const states = new PerPeer<Judged>((process, peer) => ({
      delivery: new DeliveryModel(),
      window: undefined,
      packetsLost: stage.stats(process, peer)?.packetsLost ?? 0,
      turnAt: stage.now(),
      cutAfter: Number.NEGATIVE_INFINITY,
      cutBefore: Number.NEGATIVE_INFINITY,
      anchor: undefined,
      provenIp: undefined,
      turns: 0,
    }));

    const judgeWindow = (state: Judged, process: ObservedProcess, peer: NodeName): void => {
      const { congestion: name } = stage.transport(process);
      const stats = name === 'bbr' ? undefined : stage.stats(process, peer);
      if (name === 'bbr' || stats === undefined || stats.datagramsReceived === 0) return;
      const { congestionWindowBytes: window, packetsLost, datagramBytes } = stats;
      const { window: before, delivery } = state;
      const lost = packetsLost - state.packetsLost;
      const { news } = delivery;
      state.window = window;
      state.packetsLost = packetsLost;
      delivery.news = nothingNew();
      const flight = stage.flight(process, peer);
      // After a pause the model has forgotten what may have been lost before.
      const isUnclear =
        before === undefined ||
        stage.now() - state.turnAt > PAUSE_MS ||
        !stage.path(process, peer).isSettled ||
        stage.wasEnded(process, peer);
      // Persistent congestion, or a loss that was none, sets the window anew.
      if (isUnclear || news.wasLate || news.longestGapMs >= OUTAGE_PTOS * flight.probeTimeoutMs) {
        // What is acknowledged now may let the window grow later: CUBIC grows by at most a half with each ACK.
        const delivered = delivery.delivered - news.bytes;
        state.anchor = { kind: 'start', window, peak: window, at: stage.now(), delivered };
        state.cutAfter = Number.NEGATIVE_INFINITY;
        state.cutBefore = stage.now();
        return;
      }
      const say = (problem: string): void =>
        stage.report(
          `${process.name} changed its window from ${before.toFixed(0)} to ${window.toFixed(0)} bytes, ${problem}`,
        );
      const least = 2 * datagramBytes;
      if (window >= before - ROUNDING_BYTES) {
        if (lost > 0 && before > least + ROUNDING_BYTES) {
          const { lost: candidates, hasOfEarlierPath } = delivery.mayBeLost();
          const probes = candidates.filter(({ isProbe }) => isProbe).length;
          // If only some of them were lost, it may have been those that call for no cut. If more were, the model has
          // forgotten some.
          const areAllLost = candidates.length - probes <= lost && candidates.length >= lost;
          const isFresh =
            areAllLost && !hasOfEarlierPath && candidates.every(({ at }) => at > state.cutBefore);
          const most = Math.max(KEPT[name] * before, least) + news.bytes + ROUNDING_BYTES;
          if (isFresh && lost > probes && window > most) say(`and lost ${lost} packets`);
        }
        judgeGrowth(state, process, peer, name, say);
        return;
      }
      const isCaused = delivery.mayBeLost().lost.some(({ at, isProbe }) => !isProbe && at > state.cutAfter);
      const rounds = 1 + Math.floor((stage.now() - state.turnAt) / Math.max(flight.minMs, 0.01));
      if (lost === 0 || !isCaused) say('for no loss of a packet that was sent after its last cut');
      else if (window < Math.max(KEPT[name] ** rounds * before, least) - ROUNDING_BYTES)
        say(`which is less than ${KEPT[name]} of it`);
      state.cutAfter = state.turnAt;
      state.cutBefore = stage.now();
      const { delivered } = delivery;
      state.anchor = { kind: 'cut', window, peak: before, at: state.turnAt, delivered };
    };

    const judgeGrowth = (
      state: Judged,
      process: ObservedProcess,
      peer: NodeName,
      name: 'newreno' | 'cubic',
      say: (problem: string) => void,
    ): void => {
      const { delivery, window = 0 } = state;
      const { delivered } = delivery;
      state.anchor ??= { kind: 'start', window, peak: window, at: stage.now(), delivered };
      const { anchor } = state;
      const bytes = delivered - anchor.delivered;
      const { datagramBytes = 0, smoothedRttMs = 0 } = stage.stats(process, peer) ?? {};
      const elapsedMs = stage.now() - anchor.at + Math.max(smoothedRttMs, stage.flight(process, peer).rttMs);
      let most = mostOfSlowStart(anchor, bytes, datagramBytes);
      if (anchor.kind === 'cut' && name === 'newreno') most = mostOfReno(anchor, bytes, datagramBytes);
      if (anchor.kind === 'cut' && name === 'cubic')
        most = CURVE_MARGIN * mostOfCubic(anchor, bytes, datagramBytes, elapsedMs);
      if (window <= most + ROUNDING_BYTES) return;
      say(`and from ${anchor.window.toFixed(0)} it may have grown to ${most.toFixed(0)}`);
      state.anchor = undefined;
    };

    const judgeRate = (state: Judged, process: ObservedProcess, peer: NodeName): void => {
      if (stage.transport(process).congestion !== 'bbr') return;
      if (++state.turns % TURNS_PER_LOOK !== 0 || !stage.path(process, peer).isSettled) return;
      const { hasSample, minMs } = stage.flight(process, peer);
      const { pacingRate = 0, windowBytes = Infinity } =
        stage.view(process, peer)?.connection?.congestion ?? {};
      // Until its first sample on a path, BBR paces by a guess (spec congestion 4.2), and its window is the first one.
      if (windowBytes <= INITIAL_WINDOW_BYTES) return;
      const { fastest } = state.delivery;
      const first = INITIAL_WINDOW_BYTES / Math.max(minMs - MAX_ACK_DELAY_MS, 1);
      if (!hasSample || pacingRate <= BBR_GAIN * Math.max(fastest, first)) return;
      stage.report(
        `${process.name} paces at ${pacingRate.toFixed(1)} bytes per ms, the fastest acknowledged rate was ${fastest.toFixed(1)}`,
      );
    };

    return {
      onSent(datagram) {
        const { by, towards, packet } = datagram;
        if (towards === undefined || packet === undefined) return;
        if (stage.flight(by, towards).isAnother(packet)) {
          const { provenIp } = states.of(by, towards);
          states.reset(by, towards);
          states.of(by, towards).provenIp = provenIp;
        }
        const { delivery } = states.of(by, towards);
        delivery.onSent(
          datagram,
          packet,
          packet.isOnlyPing ? (stage.stats(by, towards)?.datagramBytes ?? 0) : 0,
        );
      },
      onArrived({ by, sent, isFresh, dropped, at }) {
        if (sent === undefined) return;
        const peer = sent.by.node;
        const state = states.of(by, peer);
        const ack = sent.packet?.ack;
        if (ack !== undefined && isFresh && dropped === undefined) state.delivery.onAck(at, ack);
        // spec path 4: another path is measured from the start.
        const provenIp = stage.path(by, peer).proven?.address;
        if (provenIp === state.provenIp) return;
        if (state.provenIp !== undefined) {
          state.window = undefined;
          state.delivery.onNewPath();
        }
        state.provenIp = provenIp;
      },
      onTurn(process, { datagramsSent }) {
        if (datagramsSent === 0) return;
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          judgeWindow(state, process, peer);
          judgeRate(state, process, peer);
          state.delivery.forget(stage.now(), stage.flight(process, peer).rttMs);
          state.turnAt = stage.now();
        }
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        const { provenIp } = states.of(process, peer);
        states.reset(process, peer);
        states.of(process, peer).provenIp = provenIp;
      },
    };
  },
};
