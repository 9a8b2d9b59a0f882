import { ConnectionErrorCode, StreamErrorCode } from '@underpass/protocol';
import type { ObservedProcess } from '../observer/observer.js';
import type { PacketView } from '../observer/packet-view.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** spec streams 3.5: every peer permits that many. */
const INITIAL_MAX_STREAMS = 128;

/** What became of the streams of the present connection. */
interface Streams {
  /** Those that a packet has named, in either direction, or that the application has ended early. */
  readonly touched: Set<number>;
  /** Those that the application was told are lost, and of which nothing was ever sent. */
  readonly lostUnsent: number[];
}

export const startedOver: Rule = {
  name: 'started over',
  holds:
    'spec streams 3.8: when the peer restarts or closes the connection politely, a stream of which nothing was put into a packet is started over, and not lost.',
  watch(stage) {
    const states = new PerPeer<Streams>(() => ({ touched: new Set(), lostUnsent: [] }));
    const touch = (process: ObservedProcess, peer: NodeName, packet: PacketView | undefined): void => {
      if (packet === undefined) return;
      const { pieces = [], resets = [], stops = [], messages = [], streamLimits = [] } = packet;
      const { touched } = states.of(process, peer);
      for (const { streamId } of [...pieces, ...resets, ...stops, ...messages, ...streamLimits]) {
        touched.add(streamId);
      }
    };
    return {
      onSent({ by, towards, packet }) {
        if (towards !== undefined) touch(by, towards, packet);
      },
      onArrived({ by, sent, isFresh, dropped }) {
        if (sent !== undefined && isFresh && dropped === undefined) touch(by, sent.by.node, sent.packet);
      },
      onCommand(process, peer, streamId, command) {
        if (command !== 'finish') states.of(process, peer).touched.add(streamId);
      },
      onEvent(process, event) {
        if (event.type === 'stream-reset' && event.code === StreamErrorCode.connectionLost) {
          // The event does not say of which peer. A client has only one, and its ids are even.
          const [peer, another] = process.peers;
          if (peer !== 'relay' || another !== undefined || event.stream.id % 2 !== 0) return;
          const { touched, lostUnsent } = states.of(process, peer);
          if (!touched.has(event.stream.id)) lostUnsent.push(event.stream.id);
        }
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        const { lostUnsent } = states.of(process, peer);
        const { code, by } = event.error;
        states.reset(process, peer);
        const isKept =
          code === ConnectionErrorCode.peerRestarted || (code === ConnectionErrorCode.none && by === 'peer');
        const open = (stage.liveStreams(process, peer) ?? 0) + lostUnsent.length;
        if (!isKept || lostUnsent.length === 0 || open > INITIAL_MAX_STREAMS) return;
        stage.report(
          `${process.name} lost the streams ${lostUnsent.join(', ')} with its connection, and nothing of them was sent`,
        );
      },
    };
  },
};
