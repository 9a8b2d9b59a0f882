import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

interface Greeting {
  key: string | undefined;
  /** Packets under that key that start with HELLO. */
  readonly sent: Set<number>;
  isConfirmed: boolean;
}

export const helloFirst: Rule = {
  name: 'hello first',
  holds:
    'spec streams 3.2: a sender puts HELLO in front of every packet that it sends under a keypair until one of these packets is acknowledged.',
  watch(stage) {
    const greetings = new PerPeer<Greeting>(() => ({ key: undefined, sent: new Set(), isConfirmed: false }));
    return {
      onSent({ by, towards, key, packet }) {
        if (towards === undefined || packet === undefined) return;
        const greeting = greetings.of(by, towards);
        if (greeting.key !== key) {
          greeting.key = key;
          greeting.sent.clear();
          greeting.isConfirmed = false;
        }
        if (packet.hello !== undefined) greeting.sent.add(packet.packetNumber);
        else if (!greeting.isConfirmed && !packet.isOnlyPing) {
          stage.report(
            `${by.name} sent packet ${packet.packetNumber} without a HELLO, none is acknowledged under its keypair`,
          );
        }
      },
      onArrived({ by, sent, isFresh, dropped }) {
        if (!isFresh || dropped !== undefined || sent === undefined) return;
        const greeting = greetings.of(by, sent.by.node);
        if (greeting.isConfirmed) return;
        // A malformed packet counts up to where it goes wrong, and an ACK may come before that.
        const isMalformed = sent.packet === undefined && sent.payloadBytes > 0;
        if (isMalformed) greeting.isConfirmed = true;
        for (const [low, high] of sent.packet?.ack?.ranges ?? []) {
          for (const n of greeting.sent) if (low <= n && n <= high) greeting.isConfirmed = true;
        }
      },
    };
  },
};
