import { type Address, sameAddress } from '@underpass/protocol';
import type { ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** spec recovery 8 */
const TAIL_REPEAT_MS = 4;
const ROUNDING_MS = 0.01;
/** Data queued by a probe timeout may have to wait for the window. */
const PATIENCE_MS = 100;
/** spec recovery 4: how many probe timeouts in a row send data. */
const DATA_EXPIRIES = 2;
/** No packet is longer, so what carried a byte started in its block or in the one before. */
const BLOCK_BYTES = 65_536;

interface Carrier {
  readonly start: number;
  readonly end: number;
  readonly packetNumber: number;
  isAcknowledged: boolean;
  /** It repeated the last data of a burst, so it is not repeated itself (spec recovery 8). */
  isRepeat: boolean;
  /** Up to where its bytes were sent again. */
  repeatedTo: number;
}

/** The packets that carried RESET_STREAM of a stream. */
interface Reset {
  isAcknowledged: boolean;
}

/** The packets that carried one stream, by the block in which they start, and the highest offset so far. */
interface Carriers {
  readonly blocks: Map<number, Carrier[]>;
  end: number;
}

interface Connection {
  readonly carriers: Map<number, Carriers>;
  /** By the id of the stream. */
  readonly resets: Map<number, Reset>;
  /** What each packet carried. */
  readonly cargo: Map<number, readonly (Carrier | Reset)[]>;
  lastData: { packetNumber: number; at: number } | undefined;
  /** Packets that no other data followed for 4 ms. */
  readonly tails: Set<number>;
  address: Address | undefined;
  isUnclear: boolean;
}

export const sentAgain: Rule = {
  name: 'sent again',
  holds:
    'spec recovery 3.1: a packet is lost when it is 3 below the largest acknowledged, or 9/8 of a round trip after it was sent when a later one is acknowledged; recovery 4: nothing is probed before a probe timeout, and nothing but PING from the third in a row on; recovery 8: the last data is repeated after 4 ms. So stream data is sent again for one of these reasons only, and neither data nor RESET_STREAM once it was acknowledged while its sender remembered the packet (recovery 3.3).',
  watch(stage) {
    const connections = new PerPeer<Connection>(() => ({
      carriers: new Map(),
      resets: new Map(),
      cargo: new Map(),
      lastData: undefined,
      tails: new Set(),
      address: undefined,
      isUnclear: false,
    }));
    /** Whether nothing but PING may be sent as a probe. Only the program knows how many probe timeouts in a row have
     *  expired, because any sign of life starts the count over (spec recovery 4.2). What a probe was to carry may have
     *  to wait for an address to be proven. */
    const isOnlyPing = (by: ObservedProcess, peer: NodeName): boolean => {
      const expiries = stage.view(by, peer)?.connection?.recovery.ptoCount ?? 0;
      return expiries > DATA_EXPIRIES && stage.path(by, peer).isSettled;
    };
    return {
      onSent({ by, towards, packet, at, payloadBytes }) {
        if (towards === undefined) return;
        const connection = connections.of(by, towards);
        // A packet that was corrupted on purpose: its content is unknown.
        connection.isUnclear ||= packet === undefined && payloadBytes > 0;
        if (packet === undefined) return;
        const { carriers, resets, cargo } = connection;
        const flight = stage.flight(by, towards);
        // Another path has another round trip, and it cannot be seen from outside when the program switched.
        const { address } = stage.path(by, towards);
        connection.isUnclear ||=
          connection.address !== undefined && !sameAddress(address, connection.address);
        connection.address = address;
        if (packet.hello !== undefined || packet.pieces !== undefined) flight.judge(at);
        const { lastData, tails } = connection;
        if (flight.isAnother(packet)) {
          carriers.clear();
          resets.clear();
          cargo.clear();
          tails.clear();
          connection.lastData = undefined;
        } else if (lastData !== undefined && at - lastData.at >= TAIL_REPEAT_MS - ROUNDING_MS) {
          tails.add(lastData.packetNumber);
        }
        const carried: (Carrier | Reset)[] = [];
        if (packet.resets !== undefined || packet.pieces !== undefined)
          cargo.set(packet.packetNumber, carried);
        for (const { streamId } of packet.resets ?? []) {
          const reset = resets.get(streamId) ?? { isAcknowledged: false };
          resets.set(streamId, reset);
          carried.push(reset);
          if (reset.isAcknowledged)
            stage.report(`${by.name} sent RESET_STREAM of stream ${streamId} again, which was acknowledged`);
        }
        for (const { streamId, offset, length } of packet.pieces ?? []) {
          if (length === 0) continue;
          const { packetNumber } = packet;
          const end = offset + length;
          const carrier: Carrier = {
            start: offset,
            end,
            packetNumber,
            isAcknowledged: false,
            isRepeat: false,
            repeatedTo: offset,
          };
          carried.push(carrier);
          const earlier = noteCarrier(carriers, streamId, carrier);
          connection.lastData = { packetNumber, at };
          if (earlier.some(({ isAcknowledged }) => isAcknowledged))
            stage.report(
              `${by.name} sent byte ${offset} of stream ${streamId} again, which was acknowledged`,
            );
          if (earlier.length === 0 || connection.isUnclear || !flight.hasSample) continue;
          const isLost = earlier.some(({ packetNumber }) => flight.flying.get(packetNumber) === undefined);
          const tailed = earlier.filter(({ packetNumber }) => tails.has(packetNumber));
          const isFirstRepeat = tailed.some((it) => !it.isRepeat && it.repeatedTo <= offset);
          for (const it of earlier) it.repeatedTo = Math.max(it.repeatedTo, end);
          carrier.isRepeat = isFirstRepeat && !isLost;
          if (isLost || isFirstRepeat) continue;
          const isProbe = at - flight.probedAt <= PATIENCE_MS + 2 * flight.probeTimeoutMs;
          if ((isProbe || tailed.length > 0) && !isOnlyPing(by, towards)) continue;
          const last = earlier.at(-1) as Carrier;
          const ageMs = at - (flight.flying.get(last.packetNumber)?.at ?? at);
          stage.report(
            `${by.name} sent byte ${offset} of stream ${streamId} again ${ageMs.toFixed(3)} ms after packet ${last.packetNumber}; acknowledged is up to ${flight.largestAcked}, a round trip takes ${flight.rttMs.toFixed(3)}, a probe timeout ${flight.probeTimeoutMs.toFixed(3)}`,
          );
        }
      },
      onArrived({ by, sent, isFresh, dropped }) {
        const ack = sent?.packet?.ack;
        if (sent === undefined || ack === undefined || !isFresh || dropped !== undefined) return;
        const { cargo } = connections.of(by, sent.by.node);
        // An acknowledgement of a lost packet that the sender no longer remembers tells it nothing.
        for (const n of stage.flight(by, sent.by.node).newlyAcknowledged) {
          for (const it of cargo.get(n) ?? NONE) it.isAcknowledged = true;
          cargo.delete(n);
        }
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) connections.reset(process, peer);
      },
    };
  },
};

const NONE: readonly Carrier[] = [];

/** @returns the packet that carried the first of these bytes before */
function noteCarrier(
  carriers: Map<number, Carriers>,
  streamId: number,
  carrier: Carrier,
): readonly Carrier[] {
  let ofStream = carriers.get(streamId);
  if (ofStream === undefined) {
    ofStream = { blocks: new Map(), end: 0 };
    carriers.set(streamId, ofStream);
  }
  const { start } = carrier;
  const { blocks } = ofStream;
  const index = Math.floor(start / BLOCK_BYTES);
  const block = blocks.get(index);
  const isEarlier = (other: Carrier) => other.start <= start && start < other.end;
  const earlier =
    start >= ofStream.end ? NONE : [...(blocks.get(index - 1) ?? NONE), ...(block ?? NONE)].filter(isEarlier);
  if (block === undefined) blocks.set(index, [carrier]);
  else block.push(carrier);
  ofStream.end = Math.max(ofStream.end, carrier.end);
  return earlier;
}
