import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

export const numbers: Rule = {
  name: 'numbers',
  holds:
    'spec session 3.2: a sending key never uses a counter twice; streams 1.2: a packet number is not used twice, whatever happens to session keys.',
  watch(stage) {
    const counters = new Map<string, number>();
    const packets = new PerPeer(() => ({ greatest: -1, epoch: '' }));
    return {
      onSent({ by, towards, key, counter, packet }) {
        if (key === undefined) return;
        if (counter <= (counters.get(key) ?? -1))
          stage.report(`${by.name} sealed under counter ${counter} twice`);
        counters.set(key, counter);
        if (packet === undefined || towards === undefined) return;
        if (packet.problem !== undefined)
          stage.report(`${by.name} sent a packet that cannot be read: ${packet.problem}`);
        const last = packets.of(by, towards);
        // Another epoch of our own is another connection.
        if (packet.hello !== undefined && packet.hello.epoch !== last.epoch) {
          last.epoch = packet.hello.epoch;
          last.greatest = -1;
        }
        if (packet.packetNumber <= last.greatest) {
          stage.report(`${by.name} sent packet ${packet.packetNumber} after ${last.greatest}`);
        }
        last.greatest = packet.packetNumber;
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) packets.reset(process, peer);
      },
    };
  },
};
