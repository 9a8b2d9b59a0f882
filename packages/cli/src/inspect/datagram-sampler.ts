/** Some of the datagrams that pass, for the inspector. */
import {
  type Address,
  type KeypairView,
  MessageType,
  readUint32,
  sameAddress,
  TransportOffset,
} from '@underpass/protocol';
import type { DatagramTap, Direction, MessageWatch } from '@underpass/runtime';
import { MessageDescriber, type SampledDatagram } from '@underpass/trace';
import { MAX_INSPECT_SAMPLES } from './inspect-limits.js';

/** A peer whose datagrams somebody wants to see. */
interface Sampled {
  readonly address: Address | undefined;
  /** How many have passed since the last snapshot, of which every `stride`th may be shown. */
  passed: number;
  readonly stride: number;
  samples: SampledDatagram[];
}

/** What identifies the datagrams of a peer. */
export interface SampledPeer {
  readonly name: string;
  readonly keypairs: readonly Pick<KeypairView, 'localIndex' | 'remoteIndex'>[];
  readonly address: Address | undefined;
}

/** Looks at a bounded number of datagrams, evenly spread, of the peers that somebody has chosen.
 *
 *  It learns of transport messages at the crypto suite, where they are open, and of handshake messages at the socket. It
 *  keeps no datagram and never has a key. While no peer is chosen it does nothing. `take` ends one interval and begins
 *  the next: how many messages passed in the last one decides which are looked at in the next. */
export class DatagramSampler implements MessageWatch, DatagramTap {
  readonly onlyHandshakes = true;
  readonly #now: () => number;
  readonly #describer = new MessageDescriber();
  /** By name. */
  #peers = new Map<string, Sampled>();
  /** By the receiver index of messages in that direction. */
  readonly #byIndex: Readonly<Record<Direction, Map<number, Sampled>>> = {
    sent: new Map(),
    received: new Map(),
  };
  #lastId = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns what was seen of each peer since the last call, and looks at these peers from now on. */
  take(peers: readonly SampledPeer[]): ReadonlyMap<string, readonly SampledDatagram[]> {
    const taken = new Map(Array.from(this.#peers, ([name, { samples }]) => [name, samples]));
    const next = new Map<string, Sampled>();
    this.#byIndex.sent.clear();
    this.#byIndex.received.clear();
    for (const { name, keypairs, address } of peers) {
      const passed = this.#peers.get(name)?.passed ?? 0;
      const stride = Math.max(1, Math.ceil(passed / MAX_INSPECT_SAMPLES));
      const sampled: Sampled = { address, passed: 0, stride, samples: [] };
      next.set(name, sampled);
      for (const { localIndex, remoteIndex } of keypairs) {
        this.#byIndex.sent.set(remoteIndex, sampled);
        this.#byIndex.received.set(localIndex, sampled);
      }
    }
    this.#peers = next;
    return taken;
  }

  wants(direction: Direction, receiverIndex: number): boolean {
    const sampled = this.#byIndex[direction].get(receiverIndex);
    if (sampled === undefined) return false;
    return ++sampled.passed % sampled.stride === 0 && sampled.samples.length < MAX_INSPECT_SAMPLES;
  }

  onMessage(direction: Direction, message: Uint8Array): void {
    const sampled = this.#byIndex[direction].get(readUint32(message, TransportOffset.receiverIndex));
    if (sampled !== undefined) this.#add(sampled, direction, message);
  }

  onReceived(datagram: Uint8Array, from: Address): void {
    this.#onHandshake('received', datagram, from);
  }

  onSent(datagram: Uint8Array, _from: Address, to: Address): void {
    this.#onHandshake('sent', datagram, to);
  }

  /** A tap that several share shows transport messages too. */
  #onHandshake(direction: Direction, datagram: Uint8Array, remote: Address): void {
    if (this.#peers.size === 0 || datagram[0] === MessageType.transport) return;
    for (const sampled of this.#peers.values()) {
      const isOfPeer = sampled.address !== undefined && sameAddress(sampled.address, remote);
      if (isOfPeer && sampled.samples.length < MAX_INSPECT_SAMPLES) {
        this.#add(sampled, direction, datagram);
      }
    }
  }

  #add(sampled: Sampled, direction: Direction, datagram: Uint8Array): void {
    const { look, label, packetNumber } = this.#describer.describe(datagram);
    sampled.samples.push({
      id: ++this.#lastId,
      at: this.#now(),
      direction,
      bytes: datagram.length,
      look,
      label,
      packetNumber,
    });
  }
}
