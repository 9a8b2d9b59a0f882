import {
  type ArrivedDatagram,
  MessageKind,
  type ObservedProcess,
  type SentDatagram,
} from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';
import { wipesInTime } from './wipes-in-time.js';

/** Three keypairs with a sending and a receiving cipher each. */
const CIPHERS_PER_PEER = 3 * 2;
/** spec session 5.1, with some margin, because a program may be late to expire a keypair. */
const KNOWN_MS = 175_000;
/** Looking at the inside of a peer costs more than a turn, so one turn in this many is judged. */
const TURNS_PER_LOOK = 16;

interface Made {
  /** The key under which the peer sends. */
  readonly key: string;
  /** Since when it counts (spec session 5.1). */
  readonly at: number;
  readonly isInitiated: boolean;
  isUsed: boolean;
}

interface Handshakes {
  readonly pairs: Made[];
  /** When the last initiation was first sent. */
  initiatedAt: number | undefined;
  /** The last transport message. */
  last: Pick<SentDatagram, 'at' | 'receiverIndex' | 'counter'> | undefined;
  turns: number;
}

export const keypairs: Rule = {
  name: 'keypairs',
  holds:
    'spec session 2.1 to 2.3: a peer has up to three keypairs, and what falls out of a slot is destroyed, and all of it when the peer is removed; a packet under one that is in a slot is not unknown; the inspector shows as current the one under which is sent; session 8.1: ephemeral keys are overwritten when the handshake ends, and everything 540 s after the last new keypair.',
  watch(stage) {
    const made = new PerPeer<Handshakes>(() => ({
      pairs: [],
      initiatedAt: undefined,
      last: undefined,
      turns: 0,
    }));
    /** The newest keypair must be known, and the one before it if it was in use or if the newest is one that we
     *  initiated. */
    const check = ({ by, at, unknown }: ArrivedDatagram): void => {
      if (unknown === undefined || unknown.towards !== by.node || stage.wasEnded(by, unknown.by.node)) return;
      const { pairs } = made.of(by, unknown.by.node);
      const newest = pairs.at(-1);
      const before = pairs.at(-2);
      const isBefore =
        before !== undefined && before.key === unknown.key && (before.isUsed || newest?.isInitiated === true);
      const pair = isBefore ? before : newest;
      if (pair === undefined || pair.key !== unknown.key || at - pair.at > KNOWN_MS) return;
      stage.report(
        `${by.name} no longer knows a keypair of ${Math.floor(at - pair.at)} ms, ${isBefore ? 'the one before the newest' : 'the newest'}`,
      );
    };
    /** What is shown as the keypair in use must be the one under which the last message was sent. */
    const checkView = (process: ObservedProcess, peer: NodeName): void => {
      const state = made.of(process, peer);
      const { last } = state;
      if (last === undefined || last.at !== stage.now() || state.turns++ % TURNS_PER_LOOK !== 0) return;
      const current = stage.view(process, peer)?.keypairs.find(({ slot }) => slot === 'current');
      if (current === undefined) return;
      if (current.remoteIndex === last.receiverIndex && current.nextCounter === last.counter + 1) return;
      stage.report(
        `${process.name} shows another keypair as current than the one under which it sends to ${peer}`,
      );
    };
    return {
      onArrived(datagram) {
        const { by, at, sent, kind, madeKeypair, isFresh } = datagram;
        check(datagram);
        if (sent === undefined) return;
        const { pairs, initiatedAt } = made.of(by, sent.by.node);
        if (madeKeypair) {
          const isInitiated = kind === MessageKind.response;
          // The receiving key is the second of the two.
          const key = by.crypto.keys.at(-1)?.key ?? '';
          pairs.push({ key, at: isInitiated ? (initiatedAt ?? at) : at, isInitiated, isUsed: isInitiated });
        } else if (isFresh) {
          for (const pair of pairs) if (pair.key === sent.key) pair.isUsed = true;
        }
      },
      onSent(datagram) {
        const { by, towards, kind, at, isCopy } = datagram;
        if (towards === undefined || isCopy) return;
        if (kind === MessageKind.initiation) made.of(by, towards).initiatedAt = at;
        else if (kind === MessageKind.transport) made.of(by, towards).last = datagram;
      },
      onEvent(process, event) {
        if (event.type !== 'disconnected') return;
        const peer = process.nodeOf(event.peer);
        if (peer !== undefined) made.of(process, peer).last = undefined;
      },
      onTurn(process) {
        const { name, peers, crypto } = process;
        for (const peer of peers) checkView(process, peer);
        const most = CIPHERS_PER_PEER * peers.length;
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
