import { ConnectionErrorCode } from '@underpass/protocol';
import type { HelloView } from '../observer/packet-view.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

interface Limits {
  maxData: number;
  maxStreams: number;
  /** What the first HELLO stated. */
  first: HelloView | undefined;
  readonly streams: Map<number, number>;
}

/** What has arrived of the peer's present connection. */
interface Arrived {
  /** The peer's epoch. */
  epoch: string;
  /** How far the data of each stream has come, and how far all together. */
  streams: Map<number, number>;
  bytes: number;
  /** How many streams the peer has opened. */
  opened: number;
}

function nothingArrived(epoch: string): Arrived {
  return { epoch, streams: new Map(), bytes: 0, opened: 0 };
}

export const credit: Rule = {
  name: 'credit',
  holds:
    'spec streams 5.1: limits only rise, so a frame with one states more than the first HELLO did; 5.2, 5.3: credit is given as the application reads, a stream has at most its largest window beyond that, and a connection at most its window beyond what has arrived; 5.4: the number of streams open at one time does not exceed the configured one.',
  watch(stage) {
    const limits = new PerPeer<Limits>(() => ({
      maxData: 0,
      maxStreams: 0,
      first: undefined,
      streams: new Map(),
    }));
    const arrivals = new PerPeer(() => nothingArrived(''));
    const arrive = (state: Arrived, peer: NodeName, streamId: number, end: number): void => {
      const before = state.streams.get(streamId) ?? 0;
      if (end > before) {
        state.streams.set(streamId, end);
        state.bytes += end - before;
      }
      // A later stream opens the earlier ones too. Even ids are the client's.
      if (streamId % 2 === (peer === 'relay' ? 1 : 0)) {
        state.opened = Math.max(state.opened, (streamId >>> 1) + 1);
      }
    };
    return {
      onSent({ by, towards, packet }) {
        if (towards === undefined || packet === undefined) return;
        const said = limits.of(by, towards);
        const { maxData, maxStreams, hello, streamLimits = [] } = packet;
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
        const { maxStreamWindowBytes, connectionWindowBytes, maxOpenStreams } = stage.transport(by);
        if (packet.closeCode !== undefined) return;
        const arrived = arrivals.of(by, towards);
        if (Math.max(maxData ?? 0, hello?.maxData ?? 0) > arrived.bytes + connectionWindowBytes) {
          stage.report(
            `${by.name} allows ${maxData ?? hello?.maxData} bytes, ${arrived.bytes} have arrived; its window is ${connectionWindowBytes}`,
          );
        }
        if (Math.max(maxStreams ?? 0, hello?.maxStreams ?? 0) > arrived.opened + maxOpenStreams) {
          stage.report(
            `${by.name} allows ${maxStreams ?? hello?.maxStreams} streams, ${arrived.opened} were opened; it has room for ${maxOpenStreams}`,
          );
        }
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
      onArrived({ by, sent, isFresh, dropped }) {
        if (sent?.packet === undefined || !isFresh || dropped !== undefined) return;
        const { pieces = [], resets = [], stops = [], messages = [] } = sent.packet;
        const { node } = sent.by;
        const state = arrivals.of(by, node);
        const { hello } = sent.packet;
        if (hello !== undefined && hello.epoch !== state.epoch)
          Object.assign(state, nothingArrived(hello.epoch));
        for (const { streamId, offset, length } of pieces) arrive(state, node, streamId, offset + length);
        for (const { streamId, value } of resets) arrive(state, node, streamId, value);
        for (const { streamId } of [...stops, ...messages, ...(sent.packet.streamLimits ?? [])])
          arrive(state, node, streamId, 0);
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        limits.reset(process, peer);
        // A restart was already handled with the packet that revealed it.
        if (event.error.code !== ConnectionErrorCode.peerRestarted) arrivals.reset(process, peer);
      },
    };
  },
};
