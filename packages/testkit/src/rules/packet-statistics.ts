import type { PeerStats } from '@underpass/protocol';
import {
  type ArrivedDatagram,
  MessageKind,
  type ObservedProcess,
  type SentDatagram,
} from '../observer/observer.js';
import type { StreamPiece, StreamValue } from '../observer/packet-view.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** What passed between a process and a peer, counted from outside. */
interface Counted {
  handshakes: number;
  heardAt: number | undefined;
  packetsSent: number;
  streamBytesSent: number;
  streamBytesReceived: number;
}

/** How far each stream of the present connection has come in one direction. */
interface Offsets {
  epoch: string;
  readonly ends: Map<number, number>;
}

interface State {
  readonly counted: Counted;
  readonly sent: Offsets;
  readonly received: Offsets;
  messagesSent: number;
  /** The keys under which the peer has to send first, of keypairs that we made as the responder. */
  readonly unconfirmed: Set<string | undefined>;
  /** A packet was corrupted on purpose, or dropped half-way, so it cannot be known what of it counts. */
  isUnclear: boolean;
}

const NO_PIECES: readonly StreamPiece[] = [];
const NO_RESETS: readonly StreamValue[] = [];
const NAMES = ['handshakes', 'heardAt', 'packetsSent', 'streamBytesSent', 'streamBytesReceived'] as const;

export const packetStatistics: Rule = {
  name: 'packet statistics',
  holds:
    'docs/cli.md, status: handshakes are those that are complete, packets sent are those that have to be acknowledged, stream bytes are the sums of the highest offsets, and open streams those that have not ended; datagrams 3: each message that is put into a packet is counted; outage 2: the peer was heard when its last datagram authenticated.',
  watch(stage) {
    const states = new PerPeer<State>(() => ({
      counted: {
        handshakes: 0,
        heardAt: undefined,
        packetsSent: 0,
        streamBytesSent: 0,
        streamBytesReceived: 0,
      },
      sent: { epoch: '', ends: new Map() },
      received: { epoch: '', ends: new Map() },
      messagesSent: 0,
      unconfirmed: new Set(),
      isUnclear: false,
    }));

    const noteHandshake = (state: State, { by, kind, sent, madeKeypair, isFresh }: ArrivedDatagram): void => {
      if (madeKeypair && kind === MessageKind.response) {
        state.counted.handshakes++;
        // If both sides initiated at once, one handshake renewed the keys (spec session 2.5).
        state.unconfirmed.clear();
      } else if (madeKeypair) state.unconfirmed.add(by.crypto.keys.at(-1)?.key);
      else if (state.unconfirmed.size > 0 && isFresh && state.unconfirmed.delete(sent?.key))
        state.counted.handshakes++;
    };

    const notePacket = (state: State, { packet, payloadBytes }: SentDatagram): void => {
      if (packet === undefined) {
        state.isUnclear ||= payloadBytes > 0;
        return;
      }
      const { counted, sent } = state;
      begin(sent, packet.hello?.epoch);
      // Nothing waits for the acknowledgement of a CLOSE, not even of the HELLO in front of it.
      if (packet.isAckEliciting && packet.closeCode === undefined) counted.packetsSent++;
      state.messagesSent += packet.messages?.length ?? 0;
      for (const { streamId, offset, length } of packet.pieces ?? NO_PIECES)
        counted.streamBytesSent += rise(sent, streamId, offset + length);
    };

    const noteArrival = (state: State, { sent, dropped }: ArrivedDatagram): void => {
      const { packet, payloadBytes = 0 } = sent ?? {};
      state.isUnclear ||= (packet === undefined && payloadBytes > 0) || dropped === 'reassembly-full';
      if (packet === undefined || dropped !== undefined) return;
      const { counted, received } = state;
      begin(received, packet.hello?.epoch);
      for (const { streamId, offset, length } of packet.pieces ?? NO_PIECES)
        counted.streamBytesReceived += rise(received, streamId, offset + length);
      for (const { streamId, value } of packet.resets ?? NO_RESETS)
        counted.streamBytesReceived += rise(received, streamId, value);
    };

    const check = (process: ObservedProcess, peer: NodeName): void => {
      const stats: PeerStats | undefined = stage.stats(process, peer);
      const state = states.of(process, peer);
      // A peer that was removed and added again has not been met yet.
      if (stats === undefined || stats.datagramsReceived === 0 || state.isUnclear) return;
      const { counted } = state;
      const open = stage.liveStreams(process, peer);
      const say = (name: string, stated: number | undefined, is: number | undefined): void => {
        if (stated === is) return;
        stage.report(`${process.name} states ${name} ${stated} for ${peer}, counted are ${is}`);
        state.isUnclear = true;
      };
      for (const name of NAMES) if (stats[name] !== counted[name]) say(name, stats[name], counted[name]);
      say('messages', stats.flowDatagrams.sent, state.messagesSent);
      if (open !== undefined) say('open streams', stats.openStreams, open);
    };

    return {
      onSent(datagram) {
        const { by, towards, original, kind } = datagram;
        if (towards === undefined || original !== undefined || kind !== MessageKind.transport) return;
        notePacket(states.of(by, towards), datagram);
      },
      onArrived(datagram) {
        const { by, sent, isFresh, madeKeypair, at } = datagram;
        if (sent === undefined || !(isFresh || madeKeypair)) return;
        const state = states.of(by, sent.by.node);
        state.counted.heardAt = at;
        noteHandshake(state, datagram);
        if (isFresh) noteArrival(state, datagram);
      },
      onTurn(process, { datagramsSent }) {
        if (datagramsSent === 0) return;
        for (const peer of process.peers) check(process, peer);
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        const { sent, received } = states.of(process, peer);
        // Another connection numbers its streams from the start.
        sent.ends.clear();
        // A restart was already handled with the packet that revealed it.
        if (event.error.code !== 0x0d) received.ends.clear();
      },
    };
  },
};

/** Another epoch begins another connection. */
function begin(offsets: Offsets, epoch: string | undefined): void {
  if (epoch === undefined || epoch === offsets.epoch) return;
  offsets.epoch = epoch;
  offsets.ends.clear();
}

/** @returns by how much the highest offset of the stream has risen */
function rise({ ends }: Offsets, streamId: number, end: number): number {
  const before = ends.get(streamId) ?? 0;
  if (end <= before) return 0;
  ends.set(streamId, end);
  return end - before;
}
