/** A worker of a relay: serves one shard of the peers for the main process (spec session 3.3). */
import type { Duplex } from 'node:stream';
import type { Address } from '@underpass/protocol';
import { type Log, monotonicMs } from '@underpass/runtime';
import { startRelayWorker } from '../relay.js';
import type { EnrolOutcome, RelayPeerOptions } from '../relay-options.js';
import type { RelayWorker } from '../running-relay.js';
import { Channel } from './channel.js';
import {
  type DatagramMessage,
  type LogMessage,
  type PeerMessage,
  type PeersMessage,
  peerFromMessage,
  type StartMessage,
  type StatusMessage,
} from './messages.js';

export interface WorkerOptions {
  /** Leads to the main process. */
  readonly pipe: Duplex;
  readonly ownSockets?: () => readonly string[];
  /** It has its peers, and serves them from now on. */
  readonly onStarted?: () => void;
  /** Called with a bug of ours, after which the worker is unusable. */
  readonly onFatal: (error: unknown) => void;
  /** The relay is closed, or the main process is gone. */
  readonly onEnd: () => void;
}

/** Serves until the main process ends it. All that a worker knows comes from there; it opens no file and no port of its
 *  own, apart from what its peers ask for. */
export function runWorker({ pipe, ownSockets, onStarted, onFatal, onEnd }: WorkerOptions): void {
  let relay: RelayWorker | undefined;
  let starting: Promise<void> | undefined;
  let relayName: string | undefined;
  const tellLog =
    (level: LogMessage['level']) =>
    (fields: object, text: string): void =>
      channel.tell('log', { level, fields, text } satisfies LogMessage);
  const log: Log = {
    debug: tellLog('debug'),
    info: tellLog('info'),
    warn: tellLog('warn'),
    error: tellLog('error'),
  };

  const start = async (message: StartMessage): Promise<void> => {
    const { shard, socket, privateKey, hasKeyLog, suite, maxOutageMs, idleTimeoutMs } = message;
    relayName = message.relayName;
    const peers = message.peers.map(peerFromMessage);
    relay = await startRelayWorker(
      {
        privateKey,
        peers,
        invites: message.invites,
        name: () => relayName,
        log,
        suite,
        onEvent: (event) => channel.tell('event', event),
        onFatal,
        ...(ownSockets && { ownSockets }),
        ...(hasKeyLog && { keyLog: (line: string) => channel.tell('key-log', line) }),
        ...(message.congestion && { congestion: message.congestion }),
        ...(message.memoryPerPeerBytes && { memoryPerPeerBytes: message.memoryPerPeerBytes }),
        ...(maxOutageMs !== undefined && { maxOutageMs }),
        ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
      },
      {
        shard,
        socket,
        passOn: (to: number, datagram: Uint8Array, from: Address) => {
          if (channel.isBehind) return;
          channel.tell('datagram', { shard: to, datagram, from } satisfies DatagramMessage);
        },
        enrol: (invite, publicKey, address) => enrol(invite, publicKey, address),
      },
    );
    privateKey.fill(0);
    wipe(peers, message);
    onStarted?.();
  };

  const enrol = async (
    invite: string,
    publicKey: Uint8Array,
    address: Address | undefined,
  ): Promise<EnrolOutcome> => {
    const outcome = await channel.ask<{ status: EnrolOutcome['status']; peer?: PeerMessage }>('enrol', {
      invite,
      publicKey,
      address,
    });
    const { status, peer } = outcome;
    if (status !== 'opened') return { status };
    const made = peer && peerFromMessage(peer);
    peer?.presharedKey?.fill(0);
    return made?.presharedKey === undefined
      ? { status: 'internal-error' }
      : { status, peer: { ...made, presharedKey: made.presharedKey } };
  };

  const channel = new Channel(
    pipe,
    {
      start: (message: StartMessage) => {
        starting = start(message);
        return starting;
      },
      // These may arrive while it starts. If they were lost, a peer that was revoked could still connect.
      'set-peers': async (message: PeersMessage) => {
        await starting;
        relayName = message.relayName;
        const peers = message.peers.map(peerFromMessage);
        relay?.setPeers(peers, message.invites);
        wipe(peers, message);
      },
      'add-peer': async (message: PeerMessage) => {
        await starting;
        const peer = peerFromMessage(message);
        relay?.addPeer(peer);
        peer.presharedKey?.fill(0);
        message.presharedKey?.fill(0);
      },
      status: (): StatusMessage | undefined => relay && { status: relay.status(), nowMs: monotonicMs() },
      datagram: ({ datagram, from }: DatagramMessage) => relay?.handlePassedOn(datagram, from),
      close: async () => {
        await relay?.close();
      },
    },
    onEnd,
  );
}

/** Wipes the preshared keys of a message and of what was made of it: the endpoint has its own copies. */
function wipe(peers: readonly RelayPeerOptions[], message: PeersMessage): void {
  for (const { presharedKey } of [...peers, ...message.peers, ...message.invites]) presharedKey?.fill(0);
}
