import { ConnectionErrorCode } from '@underpass/protocol';
import { type ArrivedDatagram, MessageKind } from '../observer/observer.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';
import { Unacknowledged } from './unacknowledged.js';

/** spec recovery 1.2 */
const MAX_RANGES = 64;
/** spec streams 4.6 */
const MAX_PIECES = 512;
/** spec handshake 3.4, 6.1 */
const FLOOD_MS = 20;
const LOAD_MESSAGES = 128;
const LOAD_MS = 2_000;
const ROUNDING_MS = 0.001;

interface Seen {
  epoch: string;
  /** The numbers that were taken, and the largest of them. A set takes longer. */
  readonly numbers: boolean[];
  largest: number;
  initiatedAt: number;
  /** The ACK frames that were sent to the peer, by the packets that carried them: their largest numbers. */
  readonly stated: Unacknowledged<number>;
  /** Below it nothing is remembered: the peer knows of an ACK that was sent. */
  floor: number;
}

export const drops: Rule = {
  name: 'drops',
  holds:
    'spec wire 6: what authenticates is dropped only for a reason that the specification gives: a packet number that was taken before or is below the ranges that are remembered (recovery 1.2), more separate pieces than a stream may have (streams 4.6), an earlier run (streams 3.3, 3.4), more new epochs than 8 (streams 3.6), a connection that has ended; and an initiation because its timestamp is not new (handshake 3.3), because it comes 20 ms or less after the last (3.4), or under load (6).',
  watch(stage) {
    const { restarts, close, violation, removal } = stage.scenario;
    const isUndisturbed =
      restarts.length === 0 && [close, violation, removal].every((it) => it === undefined);
    const all = new PerPeer<Seen>(() => ({
      epoch: '',
      numbers: [],
      largest: -1,
      initiatedAt: Number.NEGATIVE_INFINITY,
      stated: new Unacknowledged(),
      floor: 0,
    }));
    /** When handshake messages arrived at each process, the last of them. */
    const arrivals = new Map<string, number[]>();

    const take = (seen: Seen, { sent }: ArrivedDatagram): void => {
      const packet = sent?.packet;
      if (packet === undefined) return;
      if (packet.ack !== undefined)
        seen.stated.takeRanges(packet.ack.ranges, (_, largest) => {
          seen.floor = Math.max(seen.floor, largest + 1);
        });
      if (packet.hello !== undefined && packet.hello.epoch !== seen.epoch) {
        seen.epoch = packet.hello.epoch;
        seen.numbers.length = 0;
        seen.largest = -1;
        seen.floor = 0;
      }
      // A farewell has the largest number that there is.
      if (packet.packetNumber === Number.MAX_SAFE_INTEGER) return;
      seen.numbers[packet.packetNumber] = true;
      seen.largest = Math.max(seen.largest, packet.packetNumber);
    };

    /** @returns why the drop of an authentic transport message is wrong */
    const problemOf = (seen: Seen, { by, sent, dropped }: ArrivedDatagram): string | undefined => {
      const packet = sent?.packet;
      switch (dropped) {
        case 'duplicate-packet':
          return packet === undefined || isForgotten(seen, packet.packetNumber) ? undefined : 'it is new';
        case 'reassembly-full':
          return (packet?.pieces?.length ?? 0) > 0 && seen.numbers.length > MAX_PIECES
            ? undefined
            : 'there is room';
        case 'stale-epoch':
        case 'epoch-flood':
          return isUndisturbed ? 'nobody has restarted' : undefined;
        case 'closed':
          if (
            packet?.closeCode === ConnectionErrorCode.none &&
            close?.node !== by.node &&
            violation === undefined
          )
            return 'it is the one that closes the connection';
          return isUndisturbed ? 'nobody has closed the connection' : undefined;
        case 'no-hello':
          return undefined; // the rule of former runs
        default:
          return 'it authenticated';
      }
    };

    const isUnderLoad = (name: string): boolean => {
      const times = arrivals.get(name) ?? [];
      return times.length > LOAD_MESSAGES && stage.now() - (times[0] as number) <= LOAD_MS;
    };

    return {
      onSent({ by, towards, packet }) {
        if (towards === undefined || packet === undefined) return;
        const seen = all.of(by, towards);
        if (stage.flight(by, towards).isAnother(packet)) seen.stated.clear();
        const largest = packet.ack?.ranges[0]?.[1];
        if (largest !== undefined) seen.stated.add(packet.packetNumber, largest);
      },
      onArrived(datagram) {
        const { by, kind, sent, at, dropped, isFresh, madeKeypair, known } = datagram;
        if (kind !== MessageKind.transport) {
          const times = arrivals.get(by.name) ?? [];
          arrivals.set(by.name, times);
          times.push(at);
          if (times.length > LOAD_MESSAGES + 1) times.shift();
        }
        if (kind === MessageKind.initiation && known !== undefined) {
          const seen = all.of(by, known.by.node);
          const sinceMs = at - seen.initiatedAt;
          if (dropped === 'handshake-flood' && sinceMs > FLOOD_MS + ROUNDING_MS)
            stage.report(
              `${by.name} takes an initiation for a flood, ${sinceMs.toFixed(1)} ms after the last`,
            );
          if ((dropped === 'cookie-required' || dropped === 'rate-limited') && !isUnderLoad(by.name))
            stage.report(`${by.name} drops an initiation as ${dropped} and is not under load`);
          if (madeKeypair) seen.initiatedAt = at;
        }
        if (sent === undefined || !isFresh) return;
        const seen = all.of(by, sent.by.node);
        if (dropped === undefined) {
          take(seen, datagram);
          return;
        }
        const problem = problemOf(seen, datagram);
        if (problem !== undefined)
          stage.report(`${by.name} dropped packet ${sent.packet?.packetNumber} as ${dropped}: ${problem}`);
      },
    };
  },
};

/** Ranges that are forgotten because there are too many lie at least as far below the largest number as those take. */
function isForgotten({ numbers, floor, largest }: Seen, packetNumber: number): boolean {
  return packetNumber < floor || numbers[packetNumber] === true || largest - packetNumber >= 2 * MAX_RANGES;
}
