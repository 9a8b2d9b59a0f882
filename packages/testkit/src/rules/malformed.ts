import { DEFAULT_MALFORMED_KIND, MALFORMED_PACKETS } from '../malformed-packets.js';
import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { type Rule, tardinessMs } from './rule.js';

export const malformed: Rule = {
  name: 'malformed packets',
  holds:
    'spec streams 1.4, 2.1 to 2.3, 4.1: a packet that cannot be read, or that says what its sender must not say, ends the connection at once, with the code for it.',
  watch(stage) {
    const { violation } = stage.scenario;
    if (violation === undefined) return {};
    const { kind = DEFAULT_MALFORMED_KIND } = violation;
    const { code } = MALFORMED_PACKETS[kind];
    /** Since when the receiver has the packet. */
    let pending: { readonly by: ObservedProcess; readonly from: NodeName; readonly at: number } | undefined;
    return {
      onArrived({ by, at, sent, isFresh, dropped }) {
        // A packet that the observer cannot read, and no keepalive, is the malformed one.
        const isIt =
          sent?.by.node === violation.node &&
          sent.kind === MessageKind.transport &&
          sent.packet === undefined &&
          sent.payloadBytes > 0;
        if (isIt && isFresh && dropped === undefined) pending = { by, from: sent.by.node, at };
      },
      onEvent(process, event) {
        if (pending?.by !== process || event.type !== 'disconnected') return;
        if (process.nodeOf(event.peer) !== pending.from) return;
        pending = undefined;
        const { error } = event;
        if (error.by === 'local' && error.code === code) return;
        stage.report(
          `${process.name} ended its connection because of ${kind} with ${error.code}, not ${code}`,
        );
      },
      onTurn(process) {
        if (pending?.by !== process || stage.now() <= pending.at + tardinessMs(stage.scenario)) return;
        if (stage.wasFrozen(process, pending.at)) return;
        pending = undefined;
        stage.report(`${process.name} went on after ${kind}`);
      },
    };
  },
};
