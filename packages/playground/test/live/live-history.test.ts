import type { SampledDatagram, Snapshot } from '@underpass/trace';
import { describe, expect, it } from 'vitest';
import { MAX_LIVE_DATAGRAMS, MAX_LIVE_SAMPLES } from '../../src/live/limits.js';
import { LiveHistory } from '../../src/live/live-history.js';

/** A snapshot at that time, by when this many bytes and datagrams have been sent, and half as many received. */
function snapshot(nowMs: number, count: number, datagrams: readonly object[] = []): Snapshot {
  const stats = {
    streamBytesSent: 2 * count,
    streamBytesReceived: count,
    datagramsSent: 2 * count,
    datagramsReceived: count,
  };
  const peer = {
    stats,
    congestion: { windowBytes: 40_000 },
    recovery: { bytesInFlight: 2000, smoothedRttMs: 30 },
  };
  return { nowMs, peer, datagrams } as unknown as Snapshot;
}

const lines = ({ plots: { plots } }: LiveHistory) => plots.flatMap((plot) => plot.lines);

describe('what the page of the inspector remembers', () => {
  it('are rates between two snapshots, and the values of each', () => {
    const history = new LiveHistory();
    history.take(snapshot(5000, 1000));
    history.take(snapshot(5500, 126_000));
    expect(history.plots.seconds).toEqual([0, 0.5]);
    expect(lines(history)).toEqual([
      [null, 4],
      [null, 2],
      [40, 40],
      [2, 2],
      [30, 30],
    ]);
  });

  it('has a gap where snapshots are missing, over which nothing is counted', () => {
    const history = new LiveHistory();
    history.interrupt();
    history.take(snapshot(0, 0));
    history.take(snapshot(1000, 125_000));
    history.interrupt();
    history.interrupt();
    history.take(snapshot(9000, 900_000));
    history.take(snapshot(10_000, 900_000));
    expect(history.plots.seconds).toEqual([0, 1, 1.001, 9, 10]);
    expect(lines(history)[0]).toEqual([null, 2, null, null, 0]);
    expect(history.passed).toBe(3 * 125_000);
  });

  it('leaves out the datagrams of the first snapshot, and keeps the newest of the others', () => {
    const history = new LiveHistory();
    const datagrams = Array.from({ length: MAX_LIVE_DATAGRAMS + 1 }, (_, id) => ({ id }) as SampledDatagram);
    history.take(snapshot(0, 0, datagrams));
    expect([history.shown, history.datagrams]).toEqual([0, []]);
    history.take(snapshot(1000, 300, datagrams));
    expect([history.shown, history.passed]).toEqual([MAX_LIVE_DATAGRAMS + 1, 900]);
    expect(history.datagrams).toEqual(datagrams.slice(1));
  });

  it('has a bounded number of samples', () => {
    const history = new LiveHistory();
    for (let i = 0; i <= MAX_LIVE_SAMPLES; i++) history.take(snapshot(1000 * i, i));
    expect(history.plots.seconds).toHaveLength(MAX_LIVE_SAMPLES);
    expect(history.plots.seconds[0]).toBe(1);
  });

  it('ignores snapshots without a peer', () => {
    const history = new LiveHistory();
    history.take({ nowMs: 1, datagrams: [] } as unknown as Snapshot);
    expect(history.plots.seconds).toEqual([]);
  });
});
