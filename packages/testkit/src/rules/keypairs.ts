import type { Rule } from './rule.js';
import { wipesInTime } from './wipes-in-time.js';

/** A sending and a receiving cipher each. */
const CIPHERS_PER_PEER = 3 * 2;

export const keypairs: Rule = {
  name: 'keypairs',
  holds:
    'spec session 2.1, 2.2: a peer has up to three keypairs, and what falls out of a slot is destroyed; session 8.1: ephemeral keys are overwritten when the handshake ends, and everything 540 s after the last new keypair.',
  watch(stage) {
    const peersOf = (node: string) => (node === 'relay' ? stage.scenario.clients.length : 1);
    return {
      onTurn({ name, node, crypto }) {
        const most = CIPHERS_PER_PEER * peersOf(node);
        if (crypto.liveCiphers > most) {
          stage.report(
            `${name} holds ${crypto.liveCiphers} ciphers that are not destroyed, at most ${most} are of use`,
          );
        }
      },
      onEnd: (processes) => wipesInTime(stage, processes),
    };
  },
};
