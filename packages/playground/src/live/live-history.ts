import type { PeerSnapshot, SampledDatagram, Snapshot } from '@underpass/trace';
import type { PlotsModel } from '../view/plots.js';
import { MAX_LIVE_DATAGRAMS, MAX_LIVE_SAMPLES } from './limits.js';

/** The values of the chosen peer at one moment. */
interface Sample {
  readonly seconds: number;
  readonly sentMbit: number | null;
  readonly receivedMbit: number | null;
  readonly windowKilobytes: number | null;
  readonly inFlightKilobytes: number | null;
  readonly rttMs: number | null;
}

const GAP = {
  sentMbit: null,
  receivedMbit: null,
  windowKilobytes: null,
  inFlightKilobytes: null,
  rttMs: null,
};

/** What the page remembers of the snapshots of one peer: the plotted values, and the datagrams that were seen. */
export class LiveHistory {
  /** The newest last. */
  readonly datagrams: SampledDatagram[] = [];
  /** How many datagrams were seen, and how many have passed, since the page looks. */
  shown = 0;
  passed = 0;
  readonly #samples: Sample[] = [];
  #startMs: number | undefined;
  #before: { readonly nowMs: number; readonly stats: PeerSnapshot['stats'] } | undefined;

  /** Call it when snapshots are missing before the next one. */
  interrupt(): void {
    const last = this.#samples.at(-1);
    if (this.#before !== undefined && last !== undefined) {
      this.#add({ seconds: last.seconds + 0.001, ...GAP });
    }
    this.#before = undefined;
  }

  take({ nowMs, peer, datagrams }: Snapshot): void {
    if (peer === undefined) return;
    const { stats, recovery, congestion } = peer;
    this.#startMs ??= nowMs;
    const before = this.#before;
    this.#before = { nowMs, stats };
    const mbit = (bytes: number, since: number): number =>
      Math.max(0, (8 * (bytes - since)) / 1000 / (nowMs - (before?.nowMs ?? 0)));
    this.#add({
      seconds: this.secondsAt(nowMs),
      sentMbit: before === undefined ? null : mbit(stats.streamBytesSent, before.stats.streamBytesSent),
      receivedMbit:
        before === undefined ? null : mbit(stats.streamBytesReceived, before.stats.streamBytesReceived),
      windowKilobytes: congestion === undefined ? null : congestion.windowBytes / 1000,
      inFlightKilobytes: recovery === undefined ? null : recovery.bytesInFlight / 1000,
      rttMs: recovery?.smoothedRttMs ?? null,
    });
    // The first snapshot has no datagrams: they are looked at from then on.
    if (before === undefined) return;
    const count = ({ datagramsSent, datagramsReceived }: PeerSnapshot['stats']) =>
      datagramsSent + datagramsReceived;
    this.passed += Math.max(0, count(stats) - count(before.stats));
    this.shown += datagrams.length;
    this.datagrams.push(...datagrams);
    this.datagrams.splice(0, this.datagrams.length - MAX_LIVE_DATAGRAMS);
  }

  /** Since the page looks. */
  secondsAt(ms: number): number {
    return (ms - (this.#startMs ?? ms)) / 1000;
  }

  get plots(): PlotsModel {
    const samples = this.#samples;
    const line = (of: Exclude<keyof Sample, 'seconds'>) => samples.map((sample) => sample[of]);
    return {
      seconds: samples.map(({ seconds }) => seconds),
      lanes: ['Sent by this side', 'Received'],
      plots: [
        {
          title: 'Throughput',
          unit: 'Mbit/s',
          digits: 1,
          lines: [line('sentMbit'), line('receivedMbit')],
        },
        { title: 'Congestion window', unit: 'kB', digits: 0, lines: [line('windowKilobytes')] },
        { title: 'Bytes in flight', unit: 'kB', digits: 0, lines: [line('inFlightKilobytes')] },
        { title: 'Smoothed RTT', unit: 'ms', digits: 1, lines: [line('rttMs')] },
      ],
    };
  }

  #add(sample: Sample): void {
    this.#samples.push(sample);
    if (this.#samples.length > MAX_LIVE_SAMPLES) this.#samples.shift();
  }
}
