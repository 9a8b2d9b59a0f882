import { describe, expect, it } from 'vitest';
import { graphOf, MAX_GRAPH_SAMPLES, MAX_GRAPHS, RateHistory } from '../../src/control/rate-graph.js';
import { watchLines } from '../../src/control/watch-view.js';
import { aClient, aPeer, aRelay } from './reports.js';

/** A relay that has sent so much, `second` seconds after the start. */
const relayAt = (second: number, streamBytesSent: number, pid = 4242) =>
  aRelay({ pid, atMs: second * 1000, peers: [aPeer({ streamBytesSent, streamBytesReceived: 0 })] });

describe('a rate graph', () => {
  it('draws the newest values at the right, as high as their share of the greatest', () => {
    expect(graphOf([0, 50, 100], 5)).toBe('  ▁▅█');
    expect(graphOf([9, 9, 0, 50, 100], 3)).toBe('▁▅█');
  });

  it('is flat without traffic', () => {
    expect(graphOf([0, 0, 0], 3)).toBe('▁▁▁');
  });

  it('shows that a little traffic is not nothing', () => {
    expect(graphOf([1, 1_000_000], 2)).toBe('▂█');
  });
});

describe('the history of rates', () => {
  it('adds the rates of all peers', () => {
    const peers = (bytes: number) => [
      aPeer({ streamBytesSent: bytes }),
      aPeer({ publicKey: 'b3RoZXI=', streamBytesSent: 2 * bytes }),
    ];
    const history = new RateHistory();
    const first = aRelay({ atMs: 0, peers: peers(0) });
    const second = aRelay({ atMs: 2000, peers: peers(1000) });
    history.add([first], []);
    history.add([second], [first]);
    expect(history.of(second).map(({ sentBytesPerSecond }) => sentBytesPerSecond)).toEqual([1500]);
  });

  it('keeps a limited number of samples, which are the newest', () => {
    const history = new RateHistory();
    const last = MAX_GRAPH_SAMPLES + 9;
    for (let second = 1; second <= last; second++) {
      history.add([relayAt(second, second ** 2)], [relayAt(second - 1, (second - 1) ** 2)]);
    }
    const rates = history.of(relayAt(0, 0)).map(({ sentBytesPerSecond }) => sentBytesPerSecond);
    expect(rates).toHaveLength(MAX_GRAPH_SAMPLES);
    expect([rates[0], rates.at(-1)]).toEqual([2 * 10 - 1, 2 * last - 1]);
  });

  it('follows a limited number of processes, and forgets those that have ended', () => {
    const history = new RateHistory();
    const at = (second: number) =>
      Array.from({ length: MAX_GRAPHS + 1 }, (_, pid) => relayAt(second, 0, pid));
    history.add(at(1), at(0));
    expect(history.of(relayAt(1, 0, MAX_GRAPHS - 1))).toHaveLength(1);
    expect(history.of(relayAt(1, 0, MAX_GRAPHS))).toEqual([]);
    history.add([], []);
    expect(history.of(relayAt(1, 0, 0))).toEqual([]);
  });
});

describe('the view of status --watch', () => {
  const size = { columns: 80, rows: 24 };

  it('shows each process with its graphs', () => {
    const history = new RateHistory();
    const [before, now] = [relayAt(1, 0), relayAt(2, 2048)];
    history.add([now], [before]);
    const lines = watchLines({ reports: [now], problems: [] }, [before], history, '12:00:00', size);
    expect(lines[0]).toBe('underpass status, 12:00:00 (q quits)');
    expect(lines[2]).toMatch(/^relay relay: listening/);
    expect(lines[3]).toMatch(/^ {2}out +█ 2\.0 KiB\/s$/);
    expect(lines[4]).toMatch(/^ {2}in {2} +▁ 0 B\/s$/);
  });

  it('fits into the terminal', () => {
    const history = new RateHistory();
    const small = { columns: 30, rows: 6 };
    const lines = watchLines(
      { reports: [aRelay(), aClient()], problems: [] },
      [],
      history,
      '12:00:00',
      small,
    );
    expect(lines).toHaveLength(6);
    expect(lines.at(-1)).toBe('  more than fits here');
    expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(30);
  });

  it('waits for a process if none runs', () => {
    const lines = watchLines({ reports: [], problems: [] }, [], new RateHistory(), '12:00:00', size);
    expect(lines.join()).toContain('waiting for one');
  });
});
