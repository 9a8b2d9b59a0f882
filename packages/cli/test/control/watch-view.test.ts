import { describe, expect, it } from 'vitest';
import type { Reports } from '../../src/control/collect-reports.js';
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

  it('adds both directions, and knows a process by its kind and number', () => {
    const peer = (sent: number, received: number, publicKey = 'a') =>
      aPeer({ publicKey, streamBytesSent: sent, streamBytesReceived: received });
    const before = [
      aRelay({ atMs: 0, peers: [peer(0, 0)] }),
      aClient({ atMs: 0, relay: peer(0, 0) }),
      aRelay({ atMs: 0, pid: 1, peers: [peer(0, 0)] }),
    ];
    const after = [
      aRelay({ atMs: 1000, peers: [peer(1, 10), peer(5, 50, 'new')] }),
      aClient({ atMs: 1000, relay: peer(2, 20) }),
      aRelay({ atMs: 1000, pid: 1, peers: [peer(3, 30)] }),
    ];
    const history = new RateHistory();
    history.add(after, before);
    history.add(after, []); // nothing to compare with
    const of = (sent: number, received: number) => [
      { sentBytesPerSecond: sent, receivedBytesPerSecond: received },
    ];
    expect(after.map((report) => history.of(report))).toEqual([of(1, 10), of(2, 20), of(3, 30)]);
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
    expect(lines[2]).toMatch(/^relay: listening/);
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

  const rowsOf = (reports: Reports, { columns = 80, rows = 99 } = {}, history = new RateHistory()) =>
    watchLines(reports, [], history, '12:00:00', { columns, rows });

  it('shows one process after another, and then what could not be asked', () => {
    const lines = rowsOf({
      reports: [aRelay({ name: 'a' }), aClient({ name: 'b' })],
      problems: ['no', 'nor'],
    });
    const [relay, client] = [
      lines.findIndex((line) => /^relay a:/.test(line)),
      lines.findIndex((line) => /^client b:/.test(line)),
    ];
    expect([relay, lines[client - 1], lines.slice(-2)]).toEqual([2, '', ['no', 'nor']]);
    expect(client - relay).toBeGreaterThan(4); // with what is between them
    expect(rowsOf({ reports: [], problems: ['no'] }).slice(2)).toEqual([
      'no relay or client of this user is running: waiting for one',
      'no',
    ]);
  });

  it('uses every row and every column, and says what is cut off', () => {
    const all = rowsOf({ reports: [aRelay()], problems: [] });
    const { length } = all;
    expect(rowsOf({ reports: [aRelay()], problems: [] }, { rows: length })).toEqual(all);
    const cut = rowsOf({ reports: [aRelay()], problems: [] }, { rows: length - 1 });
    expect(cut).toEqual([...all.slice(0, length - 2), '  more than fits here']);
    const widest = Math.max(...all.map((line) => line.length));
    const reports = { reports: [aRelay()], problems: [] };
    expect(rowsOf(reports, { columns: widest })).toEqual(all);
    const longest = all.find((line) => line.length === widest) ?? '';
    expect(rowsOf(reports, { columns: widest - 1 })).toContain(`${longest.slice(0, -2)}…`);
  });

  it.each([
    [20, 10],
    [34, 10],
    [54, 30],
    [84, 60],
    [200, 60],
  ])('of %i columns has graphs of %i', (columns, width) => {
    const [out = '', received = ''] = rowsOf({ reports: [aRelay()], problems: [] }, { columns }).slice(3);
    const graph = (name: string) => `  ${name} ${' '.repeat(width)} `;
    expect([out, received]).toEqual([graph('out'), graph('in ')]);
  });

  it('waits for a process if none runs', () => {
    const lines = watchLines({ reports: [], problems: [] }, [], new RateHistory(), '12:00:00', size);
    expect(lines.join()).toContain('waiting for one');
  });
});
