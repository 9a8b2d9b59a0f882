import { textOf } from '../observer/crypto-log.js';
import {
  isSame,
  mac1Of,
  macProblem,
  type ReadInitiation,
  readCookie,
  readInitiation,
  readResponse,
  timestampAfter,
} from '../observer/handshake-reader.js';
import {
  type ArrivedDatagram,
  MessageKind,
  type ObservedProcess,
  type SentDatagram,
} from '../observer/observer.js';
import type { NodeName } from '../simulation/world.js';
import { PerPeer } from './per-peer.js';
import type { Rule } from './rule.js';

/** spec handshake 4.2 */
const COOKIE_MS = 120_000;

/** What one side has sent to a peer, and got from it. */
interface Contact {
  timestamp: Uint8Array | undefined;
  /** The mac1 of the last handshake message, and whether a cookie reply to it was taken. */
  mac1: Uint8Array | undefined;
  isAnswered: boolean;
  cookie: { readonly bytes: Uint8Array; readonly at: number } | undefined;
  /** Since that message, the allowance of an address may have kept another one back (spec path 2). Its mac1 is unknown,
   *  and so is the cookie of a reply that it opens. */
  wasLimited: boolean;
  /** When such a reply may have been taken. */
  unclearAt: number;
}

export const handshakeContents: Rule = {
  name: 'handshake contents',
  holds:
    "spec wire 2, handshake 2 to 5: what is in a handshake message is what WireGuard puts there, so that another implementation can read it: keys, timestamp, indices, mac1, mac2 and cookie; both sides get the transport keys that follow from it. Handshake 3.3: a timestamp is the clock's, or a step later than the last one. Handshake 5.4: one cookie reply is taken for each message, and only one to the last message; a genuine one is not taken for a forgery. Session 8.1: once a keypair is made, nothing but its ciphers has its keys.",
  watch(stage) {
    const { suite } = stage.secrets;
    const contacts = new PerPeer<Contact>(() => ({
      timestamp: undefined,
      mac1: undefined,
      isAnswered: false,
      cookie: undefined,
      wasLimited: false,
      unclearAt: Number.NEGATIVE_INFINITY,
    }));
    /** What was sent in each initiation, by the sender's index and name. */
    const initiations = new Map<string, ReadInitiation & { readonly by: ObservedProcess }>();
    /** The last handshake message that arrived at each process. */
    const lastArrived = new Map<ObservedProcess, Uint8Array>();

    const isLimited = (by: ObservedProcess, peer: NodeName): boolean =>
      contacts.of(by, peer).wasLimited || !stage.path(by, peer).isSettled;
    const cookieOf = ({ cookie }: Contact): Uint8Array | undefined =>
      cookie !== undefined && stage.now() - cookie.at < COOKIE_MS ? cookie.bytes : undefined;

    const judgeInitiation = (
      by: ObservedProcess,
      towards: NodeName,
      message: Uint8Array,
    ): string | undefined => {
      const read = readInitiation(suite, message, stage.secrets.keysOf(towards));
      if (typeof read === 'string') return read;
      initiations.set(`${by.node} ${read.senderIndex}`, { ...read, by });
      if (!isSame(read.initiator, stage.secrets.keysOf(by.node).publicKey))
        return 'its static key is another one';
      const contact = contacts.of(by, towards);
      const timestamp = timestampAfter(contact.timestamp, stage.secrets.unixTimeMs(by.node));
      contact.timestamp = read.timestamp;
      return isSame(read.timestamp, timestamp)
        ? undefined
        : `its timestamp is ${show(read.timestamp)}, not ${show(timestamp)}`;
    };

    /** The keys that follow from a response, or what is wrong with it. */
    const keysOf = (message: Uint8Array, from: NodeName, to: NodeName) => {
      const initiation = initiations.get(
        `${to} ${new DataView(message.buffer, message.byteOffset).getUint32(8, true)}`,
      );
      if (initiation === undefined) return 'it answers no initiation';
      const ephemeralPrivate = initiation.by.crypto.privateKeyOf(initiation.ephemeral);
      if (ephemeralPrivate === undefined) return 'it answers an initiation with an unknown key';
      const { privateKey } = stage.secrets.keysOf(to);
      const presharedKey = stage.secrets.presharedKeyOf(from === 'relay' ? to : from);
      return readResponse(suite, message, initiation, { ephemeralPrivate, privateKey, presharedKey });
    };

    const judgeResponse = (
      by: ObservedProcess,
      towards: NodeName,
      message: Uint8Array,
    ): string | undefined => {
      const keys = keysOf(message, by.node, towards);
      if (typeof keys === 'string') return keys;
      const [receive, send] = keys.map(textOf);
      const has = by.crypto.keys.some(({ key }, i) => key === send && by.crypto.keys[i + 1]?.key === receive);
      return has ? undefined : 'its sender has other keys';
    };

    const judgeReply = (by: ObservedProcess, reply: Uint8Array): string | undefined => {
      const message = lastArrived.get(by);
      if (message === undefined) return 'nothing has arrived that it answers';
      if (!isSame(reply.subarray(4, 8), message.subarray(4, 8))) return 'it is addressed to another index';
      const cookie = readCookie(suite, reply, stage.secrets.keysOf(by.node).publicKey, mac1Of(message));
      return cookie?.length === 16 ? undefined : 'it does not open';
    };

    const problemOf = ({ by, towards, kind, message, isCopy }: SentDatagram): string | undefined => {
      if (message === undefined) return undefined;
      if (kind === MessageKind.cookieReply) return judgeReply(by, message);
      if (towards === undefined) return undefined;
      const contact = contacts.of(by, towards);
      const receiver = stage.secrets.keysOf(towards).publicKey;
      const problem = macProblem(suite, message, receiver, cookieOf(contact));
      contact.mac1 = mac1Of(message);
      contact.isAnswered = false;
      contact.wasLimited = false;
      const isUnclear = stage.now() - contact.unclearAt < COOKIE_MS;
      if (problem !== undefined && !isUnclear) return problem;
      if (isCopy) return undefined;
      if (kind === MessageKind.initiation) return judgeInitiation(by, towards, message);
      return judgeResponse(by, towards, message);
    };

    /** @returns what is wrong with how a process took a cookie reply */
    const takeReply = ({ by, at, message, dropped }: ArrivedDatagram): string | undefined => {
      for (const peer of by.peers) {
        const contact = contacts.of(by, peer);
        if (message === undefined || contact.mac1 === undefined) continue;
        const bytes = readCookie(suite, message, stage.secrets.keysOf(peer).publicKey, contact.mac1);
        if (bytes === undefined) continue;
        const isSecond = contact.isAnswered;
        if (dropped === undefined) contact.cookie = { bytes, at };
        contact.isAnswered ||= dropped === undefined;
        if (isLimited(by, peer)) return undefined;
        if (dropped === 'authentication-failed') return 'does not open a genuine cookie reply';
        return isSecond && dropped === undefined
          ? 'takes a second cookie reply to the same message'
          : undefined;
      }
      if (dropped !== undefined) return undefined;
      const limited = by.peers.filter((peer) => isLimited(by, peer));
      for (const peer of limited) contacts.of(by, peer).unclearAt = at;
      return limited.length > 0 ? undefined : 'takes a cookie reply that answers no message';
    };

    const judgeKeys = ({ by, sent, kind, message }: ArrivedDatagram): string | undefined => {
      const [sending, receiving] = by.crypto.keys.slice(-2);
      if ([sending, receiving].some((key) => key?.bytes.some((byte) => byte !== 0)))
        return 'keeps the keys of a new keypair in memory';
      if (kind !== MessageKind.response || message === undefined || sent === undefined) return undefined;
      const keys = keysOf(message, sent.by.node, by.node);
      if (typeof keys === 'string') return `took a response, but ${keys}`;
      const [first, second] = keys.map(textOf);
      return sending?.key === first && receiving?.key === second
        ? undefined
        : 'has other keys than its response gives';
    };

    return {
      onTurn(process) {
        for (const peer of process.peers)
          if (!stage.path(process, peer).isSettled) contacts.of(process, peer).wasLimited = true;
      },
      onSent(datagram) {
        const problem = problemOf(datagram);
        if (problem === undefined) return;
        stage.report(
          `${datagram.by.name} sent a message ${datagram.kind} that no other program reads: ${problem}`,
        );
      },
      onArrived(datagram) {
        const { by, kind, message, dropped, madeKeypair } = datagram;
        if (message !== undefined) lastArrived.set(by, message);
        const problem =
          kind === MessageKind.cookieReply
            ? takeReply(datagram)
            : madeKeypair
              ? judgeKeys(datagram)
              : undefined;
        if (problem !== undefined) stage.report(`${by.name} ${problem} (${dropped ?? 'taken'})`);
      },
    };
  },
};

function show(timestamp: Uint8Array): string {
  return Array.from(timestamp, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
