import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** spec streams 3.5 */
const INITIAL_MAX_STREAMS = 128;

export const places: Rule = {
  name: 'places',
  holds:
    'spec streams 5.1: limits only rise: a smaller one than before is ignored. So a stream can be opened while fewer were opened than any MAX_STREAMS that arrived, and 5.4: fewer than the opener permits its peer.',
  watch(stage) {
    const allowed = new PerPeer(() => ({ most: INITIAL_MAX_STREAMS, isGreeted: false }));
    return {
      onArrived({ by, sent, isFresh, dropped }) {
        if (sent?.packet === undefined || !isFresh || dropped !== undefined) return;
        const { hello, maxStreams = 0 } = sent.packet;
        const state = allowed.of(by, sent.by.node);
        // The first HELLO opens the connection; later ones are of the same run and change nothing.
        const greeted = hello !== undefined && !state.isGreeted ? hello.maxStreams : 0;
        state.isGreeted ||= hello !== undefined;
        state.most = Math.max(state.most, maxStreams, greeted);
      },
      onRefused(process, peer, opened) {
        const { most } = allowed.of(process, peer);
        const { maxOpenStreams } = stage.transport(process);
        // It cannot be seen from outside how many of them are still open, so assume all.
        if (opened < Math.min(most, maxOpenStreams))
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
