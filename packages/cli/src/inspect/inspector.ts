/** Makes the snapshots of a running client or relay for those who look at it. */
import type { Timers } from '@underpass/runtime';
import { type PeerLabel, type PeerSnapshot, type Snapshot, snapshotPeer } from '@underpass/trace';
import type { DatagramSampler } from './datagram-sampler.js';
import { INSPECT_INTERVAL_MS, MAX_INSPECT_PEERS, MAX_INSPECT_SHARE } from './inspect-limits.js';
import type { InspectedPeer, InspectedProcess } from './inspected-process.js';

/** How long the list of peers stays as it is. Making it looks at every peer. */
const LABELS_MS = 2_000;

/** Somebody who looks. */
export interface Viewer {
  /** The name of the peer to show; undefined for the first that was heard. */
  readonly peer: string | undefined;
  onSnapshot(text: string): void;
}

export interface InspectorOptions {
  readonly process: InspectedProcess;
  readonly sampler: DatagramSampler;
  /** Monotonic milliseconds with a fraction. */
  readonly now: () => number;
  /** The processor time of this process so far, in milliseconds. */
  readonly cpuMs: () => number;
  readonly timers: Timers;
}

interface Labels {
  readonly at: number;
  readonly peers: readonly PeerLabel[];
  readonly notListed: number;
}

/** Gives every viewer a snapshot now and then, as JSON.
 *
 *  There is one timer, which runs only while somebody looks; otherwise nothing is read or sampled. The processor time
 *  that a snapshot takes decides when the next one is made, so that they never take more than a small share of it. */
export class Inspector {
  readonly #options: InspectorOptions;
  readonly #viewers = new Set<Viewer>();
  #labels: Labels | undefined;
  #timer: object | undefined;
  #madeAt = Number.NEGATIVE_INFINITY;
  /** The processor time that the last one took. The time on the clock says little on a busy machine. */
  #costMs = 0;

  constructor(options: InspectorOptions) {
    this.#options = options;
  }

  /** The first viewer gets a snapshot at once, others with the next one.
   *  @returns a function that ends it */
  add(viewer: Viewer): () => void {
    this.#viewers.add(viewer);
    if (this.#timer === undefined) this.#start();
    return () => this.#remove(viewer);
  }

  close(): void {
    for (const viewer of this.#viewers) this.#remove(viewer);
  }

  #remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0 || this.#timer === undefined) return;
    this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
    this.#options.sampler.take([]);
  }

  /** A viewer who leaves and returns again and again does not make it work more often. */
  #start(): void {
    const { now, timers } = this.#options;
    const waitMs = this.#madeAt + this.#intervalMs - now();
    if (waitMs > 0) this.#timer = timers.set(() => this.#run(), waitMs);
    else this.#run();
  }

  #run(): void {
    const { now, cpuMs, timers } = this.#options;
    this.#madeAt = now();
    const before = cpuMs();
    this.#show(this.#madeAt, this.#intervalMs);
    this.#costMs = cpuMs() - before;
    this.#timer = this.#viewers.size > 0 ? timers.set(() => this.#run(), this.#intervalMs) : undefined;
  }

  get #intervalMs(): number {
    return Math.max(INSPECT_INTERVAL_MS, this.#costMs / MAX_INSPECT_SHARE);
  }

  #show(nowMs: number, intervalMs: number): void {
    const { process, sampler } = this.#options;
    const peers = process.peers();
    const { peers: labels, notListed } = this.#labelsOf(nowMs, peers);
    const chosen = new Map<string, PeerSnapshot>();
    const nameOf = ({ peer }: Viewer): string | undefined => peer ?? labels[0]?.name ?? peers[0]?.name;
    for (const viewer of this.#viewers) {
      const name = nameOf(viewer);
      const found =
        name === undefined || chosen.has(name) ? undefined : peers.find((one) => one.name === name);
      if (found !== undefined) chosen.set(found.name, snapshotOf(found));
    }
    const seen = sampler.take([...chosen.values()]);
    const texts = new Map<string | undefined, string>();
    for (const viewer of this.#viewers) {
      const name = nameOf(viewer);
      let text = texts.get(name);
      if (text === undefined) {
        const snapshot: Snapshot = {
          process: process.process,
          nowMs,
          intervalMs,
          peers: labels,
          peersNotListed: notListed,
          peer: name === undefined ? undefined : chosen.get(name),
          datagrams: (name === undefined ? undefined : seen.get(name)) ?? [],
        };
        text = JSON.stringify(snapshot);
        texts.set(name, text);
      }
      viewer.onSnapshot(text);
    }
  }

  /** Those that were heard. */
  #labelsOf(now: number, peers: readonly InspectedPeer[]): Labels {
    if (this.#labels !== undefined && now - this.#labels.at < LABELS_MS) return this.#labels;
    const heard: PeerLabel[] = [];
    for (const { name, peer } of peers) {
      const { connected, datagramsReceived } = peer.stats();
      if (datagramsReceived > 0) heard.push({ name, isConnected: connected });
    }
    const listed = heard.slice(0, MAX_INSPECT_PEERS);
    this.#labels = { at: now, peers: listed, notListed: heard.length - listed.length };
    return this.#labels;
  }
}

function snapshotOf({ name, peer, targets }: InspectedPeer): PeerSnapshot {
  const byId = targets();
  return snapshotPeer(name, peer, (id) => byId.get(id));
}
