import { type Address, sameAddress } from '@underpass/protocol';
import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** How often one size may be probed on one path. Each search probes a size at most six times, and a peer's maximum, a fall
 *  or ten minutes begin another one. A search that does not move on needs more within seconds. */
const MAX_PROBES_OF_A_SIZE = 40;

export const datagramSizes: Rule = {
  name: 'datagram sizes',
  holds:
    'spec mtu 3.3: datagrams do not grow to a size before a probe of it was acknowledged; mtu 1.1: sizes are multiples of 16; session 6.5: so are payloads; mtu 4.4: once the system has refused a size, only a probe is as large or larger; mtu 3.2, 3.4: a search does not stay at a size whose probes are lost.',
  watch(stage) {
    const sizes = new PerPeer((process) => ({
      proven: stage.transport(process).datagramBytes,
      probes: new Map<number, number>(),
      /** How often each size was probed on the path to this address. */
      attempts: new Map<number, number>(),
      attemptsTo: undefined as Address | undefined,
      /** The smallest size that the system has refused, and since when. */
      refused: undefined as { readonly bytes: number; readonly at: number } | undefined,
    }));
    const { refusals = [] } = stage.scenario;
    const isRefused = ({ node }: ObservedProcess, at: number, bytes: number): boolean =>
      refusals.some((one) => one.node === node && at >= one.from && bytes > one.aboveBytes);
    return {
      onSent({ by, at, towards, to, kind, bytes, packet, payloadBytes }) {
        if (towards === undefined || kind !== MessageKind.transport) return;
        const state = sizes.of(by, towards);
        if (payloadBytes % 16 !== 0) stage.report(`${by.name} sent a payload of ${payloadBytes} bytes`);
        if (isRefused(by, at, bytes)) {
          const { refused } = state;
          // The batch that was refused may have more datagrams of its size.
          const isKnown = refused !== undefined && bytes >= refused.bytes && at > refused.at;
          if (isKnown && packet?.isOnlyPing === false)
            stage.report(`${by.name} sent ${bytes} bytes after the system had refused that size`);
          if (refused === undefined || bytes < refused.bytes) state.refused = { bytes, at };
        }
        // A packet that was corrupted on purpose may have been a probe.
        if (bytes <= state.proven || packet === undefined) return;
        if (!packet.isOnlyPing) {
          stage.report(
            `${by.name} sent ${bytes} bytes, the largest that was acknowledged is ${state.proven}`,
          );
          return;
        }
        state.probes.set(packet.packetNumber, bytes);
        if (!sameAddress(to, state.attemptsTo)) state.attempts.clear();
        state.attemptsTo = to;
        const attempts = (state.attempts.get(bytes) ?? 0) + 1;
        state.attempts.set(bytes, attempts);
        if (attempts === MAX_PROBES_OF_A_SIZE)
          stage.report(`${by.name} probed the size ${bytes} ${attempts} times, and none was acknowledged`);
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
