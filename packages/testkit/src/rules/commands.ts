import { ConnectionErrorCode } from '@underpass/protocol';
import type { ArrivedDatagram, ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import type { EndCommand } from '../stream-actor.js';
import { PerPeer } from './per-peer.js';
import { type Rule, tardinessMs } from './rule.js';

/** The pacer may hold a packet back for a while at the smallest window. */
const PATIENCE_MS = 2_000;
/** spec streams 3.8: the first bytes of a stream wait when an answer has been due for a second. */
const HEARD_WITHIN_MS = 900;

interface Due {
  /** The peer's epoch. */
  epoch: string;
  /** How many restarts of the peer a packet has revealed, of which no event has told yet. */
  restarts: number;
  /** The frames that are due, by kind and stream. */
  readonly frames: Map<string, { readonly streamId: number; readonly command: EndCommand }>;
  /** The streams of which FIN or RESET_STREAM was sent. */
  readonly ended: Set<number>;
  /** The streams of which the peer's FIN or RESET_STREAM has arrived. */
  readonly endedByPeer: Set<number>;
  /** Since when they have been due and nothing has kept them back. */
  freeSince: number | undefined;
}

export const commands: Rule = {
  name: 'commands',
  holds:
    'spec streams 4.2, 4.5: FIN goes out after everything that was written, RESET_STREAM and STOP_SENDING when the application wants them, and RESET_STREAM answers STOP_SENDING: at once, since nothing keeps them back but the congestion window, the pacer, an address that is not proven and a missing key.',
  watch(stage) {
    const slackMs = tardinessMs(stage.scenario);
    const states = new PerPeer<Due>(() => ({
      epoch: '',
      restarts: 0,
      frames: new Map(),
      ended: new Set(),
      endedByPeer: new Set(),
      freeSince: undefined,
    }));
    const settle = ({ frames }: Due, streamId: number, ...kinds: EndCommand[]): void => {
      for (const kind of kinds) frames.delete(`${kind} ${streamId}`);
    };
    const demand = (state: Due, streamId: number, command: EndCommand): void => {
      // What has ended needs no further end.
      if ((command === 'stop' ? state.endedByPeer : state.ended).has(streamId)) return;
      if (command === 'reset') settle(state, streamId, 'finish');
      state.frames.set(`${command} ${streamId}`, { streamId, command });
    };

    const arrive = (state: Due, { sent }: ArrivedDatagram): void => {
      const { hello, pieces = [], resets = [], stops = [] } = sent?.packet ?? {};
      // The event comes after the packet that revealed a restart, and must not forget what that packet brought.
      if (hello !== undefined && hello.epoch !== state.epoch) {
        if (state.epoch !== '') {
          state.restarts++;
          for (const noted of [state.frames, state.ended, state.endedByPeer]) noted.clear();
        }
        state.epoch = hello.epoch;
      }
      const ended = [...pieces.filter(({ fin }) => fin), ...resets];
      for (const { streamId } of ended) {
        state.endedByPeer.add(streamId);
        settle(state, streamId, 'stop');
      }
      for (const { streamId } of stops) demand(state, streamId, 'reset');
    };

    /** Whether a small packet could leave, and whether everything that was written is acknowledged. */
    const isFree = (process: ObservedProcess, peer: NodeName): boolean => {
      const stats = stage.stats(process, peer);
      if (stats === undefined || !stage.path(process, peer).isSettled || stage.wasEnded(process, peer))
        return false;
      const { bytesInFlight, congestionWindowBytes, datagramBytes, unacknowledgedBytes, heardAt = 0 } = stats;
      if (bytesInFlight + datagramBytes > congestionWindowBytes || unacknowledgedBytes > 0) return false;
      if (bytesInFlight > 0 && stage.now() - heardAt > HEARD_WITHIN_MS) return false;
      const current = stage.view(process, peer)?.keypairs.find(({ slot }) => slot === 'current');
      return current !== undefined && stage.now() < current.expiresAt - 1_000;
    };

    const judge = (state: Due, process: ObservedProcess, peer: NodeName): void => {
      if (!isFree(process, peer)) {
        state.freeSince = undefined;
        return;
      }
      const now = stage.now();
      state.freeSince ??= now;
      if (now - state.freeSince <= PATIENCE_MS + slackMs || stage.wasFrozen(process, state.freeSince)) return;
      const [{ streamId, command } = { streamId: -1, command: 'finish' }] = state.frames.values();
      stage.report(
        `${process.name} has not sent the ${command} of stream ${streamId}, and nothing held it back`,
      );
      state.frames.clear();
    };

    return {
      onCommand: (process, peer, streamId, command) => demand(states.of(process, peer), streamId, command),
      onSent({ by, towards, packet }) {
        if (towards === undefined || packet === undefined) return;
        const { pieces, resets, stops } = packet;
        if (pieces === undefined && resets === undefined && stops === undefined) return;
        const state = states.of(by, towards);
        for (const { streamId, fin } of pieces ?? []) {
          if (!fin) continue;
          state.ended.add(streamId);
          settle(state, streamId, 'finish');
        }
        for (const { streamId } of resets ?? []) {
          state.ended.add(streamId);
          settle(state, streamId, 'finish', 'reset');
        }
        for (const { streamId } of stops ?? []) settle(state, streamId, 'stop');
        state.freeSince = undefined;
      },
      onArrived(datagram) {
        const { by, sent, isFresh, dropped } = datagram;
        if (sent?.packet === undefined || !isFresh || dropped !== undefined) return;
        const state = states.of(by, sent.by.node);
        arrive(state, datagram);
        state.freeSince = undefined;
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          if (state.frames.size > 0) judge(state, process, peer);
        }
      },
      onEvent(process, event) {
        if (event.type === 'stream-closed') {
          // The event does not say of which peer. A stream of another one is then not judged.
          for (const peer of process.peers)
            settle(states.of(process, peer), event.stream.id, 'finish', 'reset', 'stop');
        }
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer === undefined) return;
        const state = states.of(process, peer);
        if (event.error.code === ConnectionErrorCode.peerRestarted && state.restarts > 0) state.restarts--;
        else states.reset(process, peer);
      },
    };
  },
};
