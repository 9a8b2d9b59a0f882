import type { ObservedProcess } from '../observer/observer.js';
import type { Rule } from './rule.js';

/** Looking at all timers costs more than a turn, so one turn in this many is judged. */
const TURNS_PER_LOOK = 16;
const ROUNDING_MS = 1e-6;

export const deadlines: Rule = {
  name: 'deadlines',
  holds:
    'spec session 1, architecture: the moment that the core names is not later than any timer of any of its peers, however many were set, changed and cancelled since.',
  watch(stage) {
    const turns = new Map<ObservedProcess, number>();
    return {
      onTurn(process, { nextDue }) {
        const turn = (turns.get(process) ?? 0) + 1;
        turns.set(process, turn);
        if (turn % TURNS_PER_LOOK !== 0) return;
        for (const peer of process.peers) {
          // While the amplification limit holds a connection back, its timers wait for the peer.
          if (!stage.path(process, peer).isSettled) continue;
          for (const { at, reason } of stage.view(process, peer)?.timers ?? []) {
            if (nextDue !== undefined && nextDue.at <= at + ROUNDING_MS) continue;
            const named = nextDue === undefined ? 'nothing' : `${nextDue.reason} at ${nextDue.at}`;
            stage.report(`${process.name} names ${named}, but ${reason} of a peer is due at ${at}`);
            return;
          }
        }
      },
    };
  },
};
