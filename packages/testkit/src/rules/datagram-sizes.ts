import { DEFAULT_TRANSPORT } from '@underpass/protocol';
import { MessageKind } from '../observer/observer.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

export const datagramSizes: Rule = {
  name: 'datagram sizes',
  holds:
    'spec mtu 3.3: datagrams do not grow to a size before a probe of it was acknowledged; mtu 1.1: sizes are multiples of 16; session 6.5: so are payloads.',
  watch(stage) {
    const sizes = new PerPeer((process) => ({
      proven: { ...DEFAULT_TRANSPORT, ...stage.transport(process) }.datagramBytes,
      probes: new Map<number, number>(),
    }));
    return {
      onSent({ by, towards, kind, bytes, packet, payloadBytes }) {
        if (towards === undefined || kind !== MessageKind.transport) return;
        const state = sizes.of(by, towards);
        if (payloadBytes % 16 !== 0) stage.report(`${by.name} sent a payload of ${payloadBytes} bytes`);
        // A packet that was corrupted on purpose may have been a probe.
        if (bytes <= state.proven || packet === undefined) return;
        if (!packet.isOnlyPing) {
          stage.report(
            `${by.name} sent ${bytes} bytes, the largest that was acknowledged is ${state.proven}`,
          );
        } else state.probes.set(packet.packetNumber, bytes);
      },
      onArrived({ by, sent, isFresh, dropped }) {
        const ack = sent?.packet?.ack;
        if (sent === undefined || ack === undefined || !isFresh || dropped !== undefined) return;
        const state = sizes.of(by, sent.by.node);
        for (const [n, bytes] of state.probes) {
          if (!ack.ranges.some(([low, high]) => low <= n && n <= high)) continue;
          state.probes.delete(n);
          state.proven = Math.max(state.proven, bytes);
        }
      },
    };
  },
};
