import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** spec streams 3.5 */
const INITIAL_MAX_STREAMS = 128;

export const places: Rule = {
  name: 'places',
  holds:
    'spec streams 5.1: limits only rise: a smaller one than before is ignored. So a stream can be opened while fewer were opened than any MAX_STREAMS that arrived.',
  watch(stage) {
    const allowed = new PerPeer(() => ({ most: INITIAL_MAX_STREAMS }));
    return {
      onArrived({ by, sent, isFresh, dropped }) {
        if (sent?.packet === undefined || !isFresh || dropped !== undefined) return;
        const { hello, maxStreams = 0 } = sent.packet;
        const state = allowed.of(by, sent.by.node);
        state.most = Math.max(state.most, maxStreams, hello?.maxStreams ?? 0);
      },
      onRefused(process, peer, opened) {
        const { most } = allowed.of(process, peer);
        if (opened < most)
          stage.report(`${process.name} could not open stream ${opened + 1}, ${most} were allowed`);
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) allowed.reset(process, peer);
      },
    };
  },
};
