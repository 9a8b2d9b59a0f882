import { MessageKind } from '../observer/observer.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

export const answers: Rule = {
  name: 'answers',
  holds:
    'spec handshake 3.5: an initiation that is accepted is answered with a response at once, so with the next poll. Streams 2.4: a PATH_RESPONSE has the 8 bytes of a challenge that arrived, and answers it once.',
  watch(stage) {
    const states = new PerPeer(() => ({ isDue: false, challenges: [] as string[] }));
    return {
      onArrived({ by, sent, kind, madeKeypair, isFresh, dropped }) {
        if (sent === undefined) return;
        const { challenge } = sent.packet ?? {};
        if (challenge !== undefined && isFresh && dropped === undefined)
          states.of(by, sent.by.node).challenges.push(challenge);
        if (!madeKeypair) return;
        // To an unproven address no more than three times of what came from there may go. If both sides initiate at
        // once, the response of the other makes ours unnecessary.
        const isSettled = stage.path(by, sent.by.node).isSettled;
        states.of(by, sent.by.node).isDue = kind === MessageKind.initiation && isSettled;
      },
      onSent({ by, towards, kind, packet }) {
        if (towards === undefined) return;
        if (kind === MessageKind.response) states.of(by, towards).isDue = false;
        for (const response of packet?.responses ?? []) {
          const { challenges } = states.of(by, towards);
          const at = challenges.indexOf(response);
          if (at < 0) stage.report(`${by.name} answers the challenge ${response}, which waits for no answer`);
          else challenges.splice(at, 1);
        }
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        // A connection that ends takes the keys with it (spec streams 8).
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) states.of(process, peer).isDue = false;
      },
      onTurn(process) {
        for (const peer of process.peers) {
          const state = states.of(process, peer);
          if (state.isDue) stage.report(`${process.name} ends its turn without answering ${peer}`);
          state.isDue = false;
        }
      },
    };
  },
};
