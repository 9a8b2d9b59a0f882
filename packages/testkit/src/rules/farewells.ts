import { sameAddress } from '@underpass/protocol';
import { MessageKind, type SentDatagram } from '../observer/observer.js';
import type { Rule } from './rule.js';

/** spec streams 8.1 */
const PACKET_NUMBER = Number.MAX_SAFE_INTEGER;
const COPIES = 7;
const FIRST_COPY_MS = 250;
const ROUNDING_MS = 0.001;

interface Sent {
  /** When it was sent last, and how often in all. */
  at: number;
  times: number;
  readonly wasProven: boolean;
}

export const farewells: Rule = {
  name: 'farewells',
  holds:
    'spec streams 8.1: no transport message is sent again but a farewell, to the same address and only if that was proven, at most seven times: 250 ms after the first time, and then at intervals that double.',
  watch(stage) {
    const all = new Map<SentDatagram, Sent>();
    return {
      onSent(datagram) {
        const { by, at, to, towards, kind, key, original, packet } = datagram;
        if (kind !== MessageKind.transport) return;
        if (packet?.packetNumber === PACKET_NUMBER) {
          // The path of a former peer is not known any more.
          const wasProven = towards === undefined || stage.path(by, towards).mayBeProven(to);
          all.set(datagram, { at, times: 1, wasProven });
        }
        if (key !== undefined) return;
        const sent = original && all.get(original);
        if (original === undefined || sent === undefined) {
          stage.report(`${by.name} sent a transport message that it had not sealed for that`);
          return;
        }
        const dueMs = FIRST_COPY_MS * 2 ** (sent.times - 1);
        if (at - sent.at < dueMs - ROUNDING_MS) {
          stage.report(
            `${by.name} sent a farewell again after ${(at - sent.at).toFixed(1)} ms, not ${dueMs}`,
          );
        }
        if (!sent.wasProven || !sameAddress(to, original.to)) {
          stage.report(`${by.name} sent a farewell again, to ${to.address}, which was not proven`);
        }
        if (sent.times++ > COPIES) stage.report(`${by.name} sent a farewell ${sent.times} times`);
        sent.at = at;
      },
    };
  },
};
