import { type Address, sameAddress } from '@underpass/protocol';
import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** How often one size may be probed on one path. Each search probes a size at most six times, and a peer's maximum, a fall
 *  or ten minutes begin another one. A search that does not move on needs more within seconds. */
const MAX_PROBES_OF_A_SIZE = 40;
/** spec mtu 4.1, 4.2: three bursts, or two probe timeouts. The second one is doubled, unless a sign of life from the peer
 *  has ended the back-off (recovery 4.2). The first may follow an acknowledgement at once, because it counts from when
 *  the newest packet was sent. The model only estimates their length. */
const LEAST_LOSSES = 3;
const DOUBLED_SHARE = 1.7;
const SINGLE_SHARE = 0.95;

export const datagramSizes: Rule = {
  name: 'datagram sizes',
  holds:
    'spec mtu 3.3: datagrams do not grow to a size before a probe of it was acknowledged; mtu 1.1: sizes are multiples of 16; session 6.5: so are payloads; mtu 4.4: once the system has refused a size, only a probe is as large or larger; mtu 3.2, 3.4: a search does not stay at a size whose probes are lost; mtu 4, 5: the size falls only after losses or probe timeouts, when the system refuses it, or on another path.',
  watch(stage) {
    const sizes = new PerPeer((process) => ({
      proven: stage.transport(process).datagramBytes,
      probes: new Map<number, number>(),
      /** How often each size was probed on the path to this address. */
      attempts: new Map<number, number>(),
      attemptsTo: undefined as Address | undefined,
      /** The smallest size that the system has refused, and since when. */
      refused: undefined as { readonly bytes: number; readonly at: number } | undefined,
      /** The size in use at the last turn, since when, and how many packets had been lost then. */
      inUse: 0,
      lostBefore: 0,
      /** Where the peer was then. */
      ip: undefined as string | undefined,
    }));
    const { refusals = [] } = stage.scenario;
    const isRefused = ({ node }: ObservedProcess, at: number, bytes: number): boolean =>
      refusals.some((one) => one.node === node && at >= one.from && bytes > one.aboveBytes);
    /** spec mtu 4, 5: the size falls for one of four reasons. */
    const judgeFall = (process: ObservedProcess, peer: NodeName): void => {
      const state = sizes.of(process, peer);
      const { datagramBytes = 0, packetsLost = 0, heardAt = 0 } = stage.stats(process, peer) ?? {};
      const { inUse } = state;
      const path = stage.path(process, peer);
      const { ip } = state;
      state.ip = path.isSettled ? path.proven?.address : undefined;
      state.inUse = datagramBytes;
      if (datagramBytes > inUse) state.lostBefore = packetsLost;
      if (datagramBytes >= inUse || datagramBytes === 0) return;
      const flight = stage.flight(process, peer);
      const isLost = packetsLost - state.lostBefore >= LEAST_LOSSES;
      const share = heardAt > flight.elicitingAckedAt ? SINGLE_SHARE : DOUBLED_SHARE;
      const isSilent = stage.now() - flight.elicitingAckedAt >= share * flight.probeTimeoutMs;
      if (isLost || isSilent || isRefused(process, stage.now(), inUse)) return;
      if (ip === undefined || state.ip !== ip || !flight.hasSample) return;
      stage.report(`${process.name} goes back from ${inUse} to ${datagramBytes} bytes without a reason`);
    };
    return {
      onTurn(process, { datagramsSent }) {
        if (datagramsSent > 0) for (const peer of process.peers) judgeFall(process, peer);
      },
      onEvent(process, event) {
        if (event.type !== 'connected' && event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        // Another connection searches from the base, up to what its HELLO permits.
        if (peer !== undefined) sizes.of(process, peer).inUse = 0;
      },
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
