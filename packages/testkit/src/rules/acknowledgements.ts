import type { ArrivedDatagram, ObservedProcess, SentDatagram } from '../observer/observer.js';
import type { AckRange, AckView } from '../observer/packet-view.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** spec recovery 1.1, 1.2 */
const MAX_ACK_DELAY_MS = 25;
const AT_ONCE_PACKETS = 2;
const MAX_RANGES = 64;
/** The unit in which an ACK states its delay, rounded down. */
const DELAY_UNIT_MS = 1 / 125 + 0.001;
const ROUNDING_MS = 0.001;
/** A process is known to be able to send if it sent this recently, under a key younger than this. */
const ABLE_MS = 2_000;
const FRESH_KEY_MS = 170_000;

interface Receiver {
  /** The peer's epoch, from its HELLO. */
  epoch: string;
  received: Set<number>;
  largest: number;
  /** Packets that arrived, all of those between. Most ACKs state the same again and a few more. */
  verified: AckRange;
  /** When the oldest unacknowledged ack-eliciting packet arrived. */
  oldestAt: number;
  waiting: number[];
  isDueAtOnce: boolean;
  /** A packet arrived since the last ACK. */
  hasNews: boolean;
  /** When the packet with the largest number arrived. */
  largestAt: number;
  isCorrupted: boolean;
  sentAt: number;
  /** When an unproven address last limited what it may send. */
  limitedAt: number;
}

export const acknowledgements: Rule = {
  name: 'acknowledgements',
  holds:
    'spec recovery 1.1: ack-eliciting packets are acknowledged within 25 ms; with the next poll when two of them are unacknowledged, or when one arrives out of order. Recovery 1.2: an ACK frame holds the largest number and at most 64 ranges, of packets that arrived. So an ACK is sent only when something arrived since the last one, alone only when one is due, and states the delay since the largest arrived.',
  watch(stage) {
    const receivers = new PerPeer<Receiver>(() => nothingReceived(''));
    const slackMs = tardinessMs(stage.scenario);
    const keyedAt = new Map<string, number>();

    const receive = (receiver: Receiver, { at, sent }: ArrivedDatagram): void => {
      const packet = sent?.packet;
      if (sent === undefined || packet === undefined) return;
      // Another run of the peer, or another connection of the same run, starts numbering again.
      if (packet.hello !== undefined && receiver.epoch !== packet.hello.epoch) {
        Object.assign(receiver, nothingReceived(packet.hello.epoch));
      }
      const isInOrder = packet.packetNumber === receiver.largest + 1;
      receiver.received.add(packet.packetNumber);
      receiver.hasNews = true;
      if (packet.packetNumber > receiver.largest) {
        receiver.largest = packet.packetNumber;
        receiver.largestAt = at;
      }
      if (!packet.isAckEliciting) return;
      if (receiver.waiting.length === 0) receiver.oldestAt = at;
      receiver.waiting.push(packet.packetNumber);
      if (!isInOrder || receiver.waiting.length >= AT_ONCE_PACKETS) receiver.isDueAtOnce = true;
    };

    const note = (receiver: Receiver, process: ObservedProcess, peer: NodeName): void => {
      if (!stage.path(process, peer).isSettled) receiver.limitedAt = stage.now();
    };

    const isLate = ({ oldestAt }: Receiver) => stage.now() - oldestAt > MAX_ACK_DELAY_MS + slackMs;

    const isAble = (receiver: Receiver, process: ObservedProcess, peer: NodeName): boolean =>
      !receiver.isCorrupted &&
      stage.now() - receiver.sentAt < ABLE_MS &&
      stage.now() - (keyedAt.get(`${process.name} ${peer}`) ?? 0) < FRESH_KEY_MS &&
      receiver.oldestAt > receiver.limitedAt &&
      !stage.wasFrozen(process, receiver.oldestAt);

    const checkTime = (receiver: Receiver, { by, at, packet }: SentDatagram, ack: AckView): void => {
      if (receiver.isCorrupted || packet === undefined) return;
      if (!receiver.hasNews)
        stage.report(`${by.name} sent an ACK although nothing had arrived since the last`);
      const delayMs = at - receiver.largestAt;
      if (Math.abs(ack.delayMs - delayMs) > DELAY_UNIT_MS)
        stage.report(`${by.name} stated an ACK delay of ${ack.delayMs} ms, it was ${delayMs.toFixed(3)}`);
      if (packet.isAckEliciting || packet.closeCode !== undefined || receiver.isDueAtOnce) return;
      if (receiver.waiting.length > 0 && at - receiver.oldestAt >= MAX_ACK_DELAY_MS - ROUNDING_MS) return;
      stage.report(`${by.name} sent an ACK alone before one was due`);
    };

    const acknowledge = (receiver: Receiver, sent: SentDatagram): void => {
      const { by, towards, packet, payloadBytes, at } = sent;
      // A packet that was corrupted on purpose: its content is unknown, and it ends the connection.
      if (packet === undefined && payloadBytes > 0) receiver.isCorrupted = true;
      const ack = packet?.ack;
      if (ack === undefined) {
        receiver.sentAt = at;
        return;
      }
      checkTime(receiver, sent, ack);
      if (ack.ranges.length > MAX_RANGES + 1)
        stage.report(`${by.name} acknowledged ${ack.ranges.length} ranges`);
      if (ack.ranges[0]?.[1] !== receiver.largest) {
        stage.report(
          `${by.name} acknowledged up to ${ack.ranges[0]?.[1]}, the largest that arrived is ${receiver.largest}`,
        );
      }
      for (const range of ack.ranges) {
        const missing = findMissing(receiver, range);
        if (missing === undefined) continue;
        stage.report(`${by.name} acknowledged packet ${missing}, which never arrived`);
        return;
      }
      if (ack.ranges[0] !== undefined) receiver.verified = ack.ranges[0];
      const isOldestIn = ack.ranges.some(
        ([low, high]) => low <= (receiver.waiting[0] ?? -1) && (receiver.waiting[0] ?? -1) <= high,
      );
      if (isOldestIn && isLate(receiver) && isAble(receiver, by, towards as NodeName)) {
        stage.report(
          `${by.name} acknowledged packet ${receiver.waiting[0]} ${(at - receiver.oldestAt).toFixed(3)} ms after it came`,
        );
      }
      receiver.sentAt = at;
      // What it leaves out, the receiver has forgotten.
      receiver.waiting = [];
      receiver.isDueAtOnce = false;
      receiver.hasNews = false;
      receiver.oldestAt = at;
    };

    const check = (receiver: Receiver, process: ObservedProcess, peer: NodeName): void => {
      if (receiver.waiting.length === 0) return;
      if (!isAble(receiver, process, peer)) return;
      if (receiver.isDueAtOnce) {
        stage.report(
          `${process.name} ends its turn without acknowledging packet ${receiver.waiting.at(-1)} at once`,
        );
      } else if (isLate(receiver)) {
        stage.report(
          `${process.name} has not acknowledged packet ${receiver.waiting[0]} of ${receiver.oldestAt.toFixed(3)}`,
        );
      } else return;
      receiver.waiting = [];
    };

    return {
      onArrived(datagram) {
        const { by, sent, madeKeypair, dropped, isFresh } = datagram;
        if (sent === undefined) return;
        const receiver = receivers.of(by, sent.by.node);
        note(receiver, by, sent.by.node);
        if (madeKeypair) keyedAt.set(`${by.name} ${sent.by.node}`, datagram.at);
        if (isFresh && dropped === undefined) receive(receiver, datagram);
        if (sent.payloadBytes > 0 && sent.packet === undefined) receiver.isCorrupted = true;
      },
      onSent(datagram) {
        const { by, towards } = datagram;
        if (towards === undefined || datagram.key === undefined) return;
        const receiver = receivers.of(by, towards);
        acknowledge(receiver, datagram);
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const receiver = receivers.of(process, peer);
          note(receiver, process, peer);
          check(receiver, process, peer);
        }
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        // A restart was already handled with the packet that revealed it.
        if (peer !== undefined && event.error.code !== 0x0d) {
          Object.assign(receivers.of(process, peer), nothingReceived(''));
        }
      },
    };
  },
};

/** @returns a packet of the range that did not arrive, or undefined */
function findMissing({ received, verified }: Receiver, [low, high]: AckRange): number | undefined {
  for (let n = low; n <= high; n++) {
    if (n >= verified[0] && n < verified[1]) n = Math.min(verified[1], high);
    if (!received.has(n)) return n;
  }
  return undefined;
}

function nothingReceived(epoch: string): Receiver {
  return {
    epoch,
    received: new Set(),
    largest: -1,
    verified: [0, -1],
    oldestAt: 0,
    waiting: [],
    isDueAtOnce: false,
    hasNews: false,
    largestAt: 0,
    isCorrupted: false,
    sentAt: Number.NEGATIVE_INFINITY,
    limitedAt: Number.NEGATIVE_INFINITY,
  };
}
