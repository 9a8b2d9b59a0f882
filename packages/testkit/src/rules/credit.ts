import { DEFAULT_TRANSPORT } from '@underpass/protocol';
import type { HelloView } from '../observer/packet-view.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

interface Limits {
  maxData: number;
  maxStreams: number;
  /** What the first HELLO stated. */
  first: HelloView | undefined;
  readonly streams: Map<number, number>;
}

export const credit: Rule = {
  name: 'credit',
  holds:
    'spec streams 5.1: limits only rise, so a frame with one states more than the first HELLO did; 5.2, 5.3: credit is given as the application reads, a stream has at most its largest window beyond that; 5.4: the number of streams open at one time does not exceed the configured one.',
  watch(stage) {
    const limits = new PerPeer<Limits>(() => ({
      maxData: 0,
      maxStreams: 0,
      first: undefined,
      streams: new Map(),
    }));
    return {
      onSent({ by, towards, packet }) {
        if (towards === undefined || packet === undefined) return;
        const said = limits.of(by, towards);
        const { maxData, maxStreams, streamLimits = [] } = packet;
        said.first ??= packet.hello;
        const { first } = said;
        if (first !== undefined && (maxData ?? Infinity) <= first.maxData)
          stage.report(`${by.name} sends MAX_DATA ${maxData}, which its first HELLO stated already`);
        if (first !== undefined && (maxStreams ?? Infinity) <= first.maxStreams)
          stage.report(`${by.name} sends MAX_STREAMS ${maxStreams}, which its first HELLO stated already`);
        if (maxData !== undefined) {
          if (maxData < said.maxData)
            stage.report(`${by.name} lowers MAX_DATA from ${said.maxData} to ${maxData}`);
          said.maxData = maxData;
        }
        if (maxStreams !== undefined) {
          if (maxStreams < said.maxStreams) stage.report(`${by.name} lowers MAX_STREAMS to ${maxStreams}`);
          said.maxStreams = maxStreams;
        }
        const { maxStreamWindowBytes } = { ...DEFAULT_TRANSPORT, ...stage.transport(by) };
        for (const { streamId, value } of streamLimits) {
          if (value < (said.streams.get(streamId) ?? 0)) {
            stage.report(`${by.name} lowers MAX_STREAM_DATA of stream ${streamId} to ${value}`);
          }
          said.streams.set(streamId, value);
          const read = stage.readBytes(by, towards, streamId);
          if (read !== undefined && value > read + maxStreamWindowBytes) {
            stage.report(
              `${by.name} allows stream ${streamId} up to ${value}, ${value - read} beyond what was read; its largest window is ${maxStreamWindowBytes}`,
            );
          }
        }
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) limits.reset(process, peer);
      },
    };
  },
};
