import { MessageKind } from '../observer/observer.js';
import type { Rule } from './rule.js';

/** spec wire 2: the length of each handshake message. */
const LENGTHS: ReadonlyMap<number, number> = new Map([
  [MessageKind.initiation, 148],
  [MessageKind.response, 92],
  [MessageKind.cookieReply, 64],
]);

export const messageForms: Rule = {
  name: 'message forms',
  holds:
    'spec wire 2, session 3.2: handshake messages have the lengths of WireGuard, and the counters of a key go up by one.',
  watch(stage) {
    const counters = new Map<string, number>();
    return {
      onSent({ by, kind, bytes, key, counter, original }) {
        const length = LENGTHS.get(kind);
        if (length !== undefined) {
          if (bytes !== length)
            stage.report(`${by.name} sent a message ${kind} of ${bytes} bytes, not ${length}`);
          return;
        }
        if (original !== undefined || key === undefined) return;
        const next = (counters.get(key) ?? -1) + 1;
        if (counter !== next)
          stage.report(`${by.name} sealed under counter ${counter}, the next was ${next}`);
        counters.set(key, counter);
      },
    };
  },
};
