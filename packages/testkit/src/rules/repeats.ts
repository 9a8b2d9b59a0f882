import type { ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec recovery 8 */
const UNSURE_MS = 60_000;
const SHARE = 0.03;
const BYTES_PER_MS = 3;
const BURST_BYTES = 4_800;
/** The bytes of a packet besides its data. */
const OVERHEAD_BYTES = 64;
/** What a probe timeout sends again was sent at most so long ago. */
const PROBED_MS = 10_000;
const DUE_MS = 4;
/** A full bucket has filled again after this long. */
const REFILL_MS = BURST_BYTES / BYTES_PER_MS + 100;
const FULL_BYTES = 1_500;

interface Flow {
  /** When the first packet was sent, and when the first one was on the present path. */
  firstAt: number;
  pathAt: number;
  /** When the first packet was sent on the present path that has to be acknowledged. */
  usedAt: number;
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
  /** When stream data was last sent, and the packet that has to be repeated unless something follows it. */
  dataAt: number;
  tail: { readonly packetNumber: number; readonly at: number } | undefined;
}

export const repeats: Rule = {
  name: 'repeats',
  holds:
    'spec recovery 8: the data of a packet after which nothing is left to send is sent once more after 4 ms in the first 60 s on a path; on a path that has lost nothing for longer than that there are no repeats; before, they use at most 3 % of the bytes sent plus 3 bytes per millisecond, from a bucket of 4800 bytes.',
  watch(stage) {
    const flows = new PerPeer<Flow>((process, peer) => ({
      firstAt: Infinity,
      pathAt: Infinity,
      usedAt: Infinity,
      ip: undefined,
      packetsLost: stage.stats(process, peer)?.packetsLost ?? 0,
      lostAt: Number.NEGATIVE_INFINITY,
      sentUpTo: new Map(),
      sentBytes: 0,
      repeatedBytes: 0,
      dataAt: Number.NEGATIVE_INFINITY,
      tail: undefined,
    }));
    const slackMs = tardinessMs(stage.scenario);
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
      if (ip !== flow.ip) [flow.ip, flow.pathAt, flow.usedAt] = [ip, Infinity, Infinity];
    };
    /** Reports the last data of a burst that was not repeated, once. */
    const judgeTail = (flow: Flow, process: ObservedProcess, peer: NodeName): void => {
      const { tail } = flow;
      const now = stage.now();
      if (tail === undefined || now - tail.at <= DUE_MS + slackMs) return;
      flow.tail = undefined;
      if (now - flow.usedAt > UNSURE_MS - 1_000 || !stage.path(process, peer).isSettled) return;
      if (stage.flight(process, peer).flying.get(tail.packetNumber) === undefined) return;
      if (stage.wasFrozen(process, tail.at) || stage.wasEnded(process, peer)) return;
      const {
        bytesInFlight = 0,
        congestionWindowBytes = 0,
        flowDatagrams,
      } = stage.stats(process, peer) ?? {};
      if (bytesInFlight + 2 * FULL_BYTES > congestionWindowBytes || (flowDatagrams?.sent ?? 1) > 0) return;
      const { connection, keypairs = [] } = stage.view(process, peer) ?? {};
      const current = keypairs.find(({ slot }) => slot === 'current');
      if (current === undefined || current.createdAt > tail.at || current.expiresAt <= now) return;
      // What ended early is not sent again, and what waits to be sent makes it no tail.
      const isPlain = connection?.streams.every(
        ({ sending }) => sending.state !== 'reset-sent' && sending.sent === sending.written,
      );
      if (isPlain !== true) return;
      stage.report(
        `${process.name} has not repeated packet ${tail.packetNumber}, after which nothing was left to send`,
      );
    };
    return {
      onSent({ by, towards, packet, bytes, at }) {
        if (towards === undefined || packet === undefined) return;
        const flow = flows.of(by, towards);
        flow.sentBytes += bytes;
        if (!packet.isAckEliciting) return;
        followPath(flow, by, towards);
        flow.tail = undefined;
        flow.usedAt = Math.min(flow.usedAt, at);
        if (packet.pieces === undefined) return;
        const isRested = at - flow.dataAt > REFILL_MS && bytes < FULL_BYTES;
        flow.dataAt = at;
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
        if (isRested && repeatedBytes === 0) flow.tail = { packetNumber: packet.packetNumber, at };
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
          judgeTail(flow, process, peer);
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
