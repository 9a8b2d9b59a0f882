import type { ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** spec recovery 8 */
const UNSURE_MS = 60_000;
const SHARE = 0.03;
const BYTES_PER_MS = 3;
const BURST_BYTES = 4_800;
/** The bytes of a packet besides its data. */
const OVERHEAD_BYTES = 64;
/** What a probe timeout sends again was sent at most so long ago. */
const PROBED_MS = 10_000;

interface Flow {
  /** When the first packet was sent, and when the first one was on the present path. */
  firstAt: number;
  pathAt: number;
  /** The peer's IP address on that path. */
  ip: string | undefined;
  /** How many packets the sender has declared lost. */
  packetsLost: number;
  /** When the sender last declared a packet lost, or one of the two sides dropped a datagram of the other: it destroys
   *  keypairs that may still be in use when both initiate at once (spec session 2.2). The sender learns of a loss from
   *  later packets, so that may be long after the datagram was lost. */
  lostAt: number;
  /** How far each stream was sent, and when anything of it was sent last. */
  readonly sentUpTo: Map<number, { end: number; at: number }>;
  sentBytes: number;
  repeatedBytes: number;
}

export const repeats: Rule = {
  name: 'repeats',
  holds:
    'spec recovery 8: on a path that has lost nothing for longer than 60 s there are no repeats; before, they use at most 3 % of the bytes sent plus 3 bytes per millisecond, from a bucket of 4800 bytes.',
  watch(stage) {
    const flows = new PerPeer<Flow>((process, peer) => ({
      firstAt: Infinity,
      pathAt: Infinity,
      ip: undefined,
      packetsLost: stage.stats(process, peer)?.packetsLost ?? 0,
      lostAt: Number.NEGATIVE_INFINITY,
      sentUpTo: new Map(),
      sentBytes: 0,
      repeatedBytes: 0,
    }));
    const note = (flow: Flow, by: ObservedProcess, peer: NodeName, bytes: number): void => {
      const now = stage.now();
      const troubledAt = Math.max(stage.troubledAt(by.node === 'relay' ? peer : by.node), flow.lostAt);
      flow.repeatedBytes += bytes;
      if (now - Math.max(flow.pathAt, troubledAt) > UNSURE_MS + 1) {
        stage.report(`${by.name} sent ${bytes} bytes again that were not lost: nothing was for a minute`);
      }
      if (troubledAt >= flow.firstAt) return;
      // The last repeat may be larger than its original.
      const most = BURST_BYTES + OVERHEAD_BYTES;
      const allowed = most + SHARE * flow.sentBytes + BYTES_PER_MS * (now - flow.firstAt);
      if (flow.repeatedBytes > allowed) {
        stage.report(
          `${by.name} repeated ${flow.repeatedBytes} bytes on a path that loses nothing, ${allowed.toFixed(0)} are allowed`,
        );
      }
    };
    // A peer may move away and come back before anything is sent: that is a new path too.
    const followPath = (flow: Flow, by: ObservedProcess, peer: NodeName): void => {
      const ip = stage.path(by, peer).proven?.address;
      if (ip !== flow.ip) [flow.ip, flow.pathAt] = [ip, Infinity];
    };
    return {
      onSent({ by, towards, packet, bytes, at }) {
        if (towards === undefined || packet === undefined) return;
        const flow = flows.of(by, towards);
        flow.sentBytes += bytes;
        if (packet.pieces === undefined) return;
        followPath(flow, by, towards);
        flow.pathAt = Math.min(flow.pathAt, at);
        flow.firstAt = Math.min(flow.firstAt, at);
        let repeatedBytes = 0;
        // An acknowledgement that is later than the receiver promised causes a probe timeout, which sends data again.
        const flight = stage.flight(by, towards);
        flight.judge(at);
        for (const { streamId, offset, length, fin } of packet.pieces) {
          const end = offset + length + (fin ? 1 : 0);
          const before = flow.sentUpTo.get(streamId) ?? { end: 0, at };
          const isProbe = at === flight.probedAt && at - before.at <= PROBED_MS;
          if (offset < before.end && length > 0 && !isProbe) repeatedBytes += length + OVERHEAD_BYTES;
          flow.sentUpTo.set(streamId, { end: Math.max(before.end, end), at });
        }
        if (repeatedBytes > 0) note(flow, by, towards, Math.min(repeatedBytes, bytes));
      },
      onArrived({ by, sent, unknown, dropped, at }) {
        const lost = dropped === undefined ? undefined : (unknown ?? sent);
        if (lost === undefined) return;
        flows.of(by, lost.by.node).lostAt = at;
        flows.of(lost.by, by.node).lostAt = at;
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const { packetsLost = 0 } = stage.stats(process, peer) ?? {};
          const flow = flows.of(process, peer);
          if (packetsLost > flow.packetsLost) flow.lostAt = stage.now();
          flow.packetsLost = packetsLost;
          followPath(flow, process, peer);
        }
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) flows.reset(process, peer);
      },
    };
  },
};
