import type { Peer } from '@underpass/protocol';
import { SAMPLE_MS } from './limits.js';

/** The plotted values of one client, a number for each sample. Sizes in kilobytes, times in ms, rates in kbit/s. */
export interface Series {
  readonly windowKilobytes: number[];
  readonly inFlightKilobytes: number[];
  readonly rttMs: (number | null)[];
  readonly kbitPerSecond: number[];
}

/** Over how many samples the throughput is averaged. */
const AVERAGED = 5;

/** Samples of the congestion windows, in flight, RTT and throughput, on a fixed grid of virtual time. The throughput is
 *  what arrived at the other side of the client, in both directions. Run calls `take` at each point of the grid. */
export class Samples {
  /** Virtual seconds. */
  readonly seconds: number[] = [];
  readonly series: Series[] = [];
  readonly #received: number[][] = [];

  /** @param client  the relay, as the client's peer
   *  @param relay  the client, as the relay's peer */
  take(
    now: number,
    pairs: readonly { readonly client: Peer | undefined; readonly relay: Peer | undefined }[],
  ): void {
    this.seconds.push(now / 1000);
    for (const [lane, { client, relay }] of pairs.entries()) {
      const series = this.#seriesOf(lane);
      const own = client?.stats();
      const other = relay?.stats();
      // Whichever side sends more is the one to watch.
      const isUpload = (other?.streamBytesReceived ?? 0) >= (own?.streamBytesReceived ?? 0);
      const sender = isUpload ? own : other;
      series.windowKilobytes.push((sender?.congestionWindowBytes ?? 0) / 1000);
      series.inFlightKilobytes.push((sender?.bytesInFlight ?? 0) / 1000);
      series.rttMs.push(sender?.smoothedRttMs ?? null);
      const received = this.#received[lane] as number[];
      received.push((own?.streamBytesReceived ?? 0) + (other?.streamBytesReceived ?? 0));
      const before = received.at(-1 - AVERAGED) ?? 0;
      const spanMs = Math.min(AVERAGED, received.length - 1) * SAMPLE_MS;
      const bytes = Math.max(0, (received.at(-1) as number) - before);
      series.kbitPerSecond.push(spanMs === 0 ? 0 : (8 * bytes) / spanMs);
    }
  }

  /** A client may come later than the first sample. */
  #seriesOf(lane: number): Series {
    const missing = this.seconds.length - 1;
    const zeros = () => new Array<number>(missing).fill(0);
    this.#received[lane] ??= zeros();
    this.series[lane] ??= {
      windowKilobytes: zeros(),
      inFlightKilobytes: zeros(),
      rttMs: new Array<null>(missing).fill(null),
      kbitPerSecond: zeros(),
    };
    return this.series[lane];
  }
}
