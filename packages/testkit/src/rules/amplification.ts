import { type Address, sameAddress } from '@underpass/protocol';
import { MessageKind, type ObservedProcess } from '../observer/observer.js';
import type { NodeName } from '../world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

const LIMIT = 3;

export const amplification: Rule = {
  name: 'amplification',
  holds:
    'spec path 2: to an address that is not proven at most 3 times the bytes received from it are sent, until it is proven.',
  watch(stage) {
    /** Bytes from and to each unproven address. */
    const ledgers = new PerPeer(() => new Map<string, { received: number; sent: number }>());
    const entryOf = (by: ObservedProcess, peer: NodeName, { address, port }: Address) => {
      const ledger = ledgers.of(by, peer);
      const key = `${address} ${port}`;
      const entry = ledger.get(key) ?? { received: 0, sent: 0 };
      ledger.set(key, entry);
      return entry;
    };
    return {
      onArrived({ by, sent, from, bytes }) {
        if (sent === undefined) return;
        const { proven } = stage.path(by, sent.by.node);
        if (proven !== undefined) ledgers.of(by, sent.by.node).delete(`${proven.address} ${proven.port}`);
        if (!sameAddress(from, proven)) entryOf(by, sent.by.node, from).received += bytes;
      },
      onSent({ by, towards, to, bytes, kind }) {
        if (towards === undefined || kind === MessageKind.cookieReply) return;
        const { proven, formerlyProven } = stage.path(by, towards);
        if (sameAddress(to, proven) || sameAddress(to, formerlyProven)) return;
        const entry = entryOf(by, towards, to);
        entry.sent += bytes;
        if (entry.sent <= LIMIT * entry.received) return;
        stage.report(
          `${by.name} sent ${entry.sent} bytes to ${to.address}:${to.port}, unproven, for ${entry.received} received from it`,
        );
      },
    };
  },
};
