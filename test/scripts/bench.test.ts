/** The parts of the benchmark that measure nothing: its command line, its order, its statistics and its report. */
import { describe, expect, it } from 'vitest';
import { ArgumentError, choose, readArguments } from '../../scripts/bench/arguments.mjs';
import { interleave } from '../../scripts/bench/interleave.mjs';
import { markdownOf, short } from '../../scripts/bench/report/markdown.mjs';
import { plotsOf } from '../../scripts/bench/report/plot.mjs';
import { joinReports, resultsOf } from '../../scripts/bench/report/results.mjs';
import { percentile, ratioOf, summaryOf } from '../../scripts/bench/statistics.mjs';

describe('the command line of the benchmark', () => {
  it('measures everything five times for two seconds by default', () => {
    expect(readArguments([])).toMatchObject({ runs: 5, seconds: 2, only: [], isNarrowed: false });
  });

  it('lets explicit numbers override those of --quick', () => {
    expect(readArguments(['--quick', '--runs', '7'])).toMatchObject({
      runs: 7,
      seconds: 0.5,
      isNarrowed: true,
    });
  });

  it.each([
    [['--runs', '0'], "--runs '0' is not a whole number above 0 and up to 100"],
    [['--runs', '1.5'], "--runs '1.5' is not a whole number above 0 and up to 100"],
    [['--seconds', 'x'], "--seconds 'x' is not a number above 0 and up to 600"],
    [['--fast'], "Unknown option '--fast'"],
  ])('rejects %j with a message that names it', (parameters, message) => {
    expect(() => readArguments(parameters)).toThrow(ArgumentError);
    expect(() => readArguments(parameters)).toThrow(message);
  });

  const scenarios = ['bulk-1', 'bulk-8', 'round-trips'].map((id) => ({ id }));
  const tunnels = ['underpass', 'ssh'].map((id) => ({ id }));

  it('chooses scenarios and tunnels by their names or the starts of them', () => {
    expect(choose(['bulk'], scenarios, tunnels)).toEqual({ scenarios: scenarios.slice(0, 2), tunnels });
    expect(choose(['ssh', 'bulk-8'], scenarios, tunnels)).toEqual({
      scenarios: [{ id: 'bulk-8' }],
      tunnels: [{ id: 'ssh' }],
    });
  });

  it('rejects a name that is neither', () => {
    expect(() => choose(['bul'], scenarios, tunnels)).toThrow(
      "--only 'bul' is neither a scenario nor a tunnel",
    );
  });
});

describe('the order of measurements', () => {
  it('has every tunnel once in each run', () => {
    for (const run of interleave(['a', 'b', 'c'], 7)) expect(new Set(run)).toEqual(new Set(['a', 'b', 'c']));
  });

  it('puts every tunnel in every place equally often over twice as many runs as there are tunnels', () => {
    const tunnels = ['a', 'b', 'c'];
    for (const place of tunnels.keys()) {
      const there = interleave(tunnels, 6).map((run) => run[place]);
      for (const tunnel of tunnels) expect(there.filter((each) => each === tunnel)).toHaveLength(2);
    }
  });
});

describe('the statistics of the benchmark', () => {
  it('gives least, median and most, without regard to the order', () => {
    expect(summaryOf([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3, runs: 3 });
    expect(summaryOf([10, 9, 1, 2])).toEqual({ min: 1, median: 5.5, max: 10, runs: 4 });
    expect(summaryOf([])).toBeUndefined();
  });

  it('compares run by run, so that a slow run counts as its own comparison only', () => {
    expect(ratioOf([10, 1, 10], [5, 0.5, 5])).toEqual({ min: 2, median: 2, max: 2, runs: 3 });
  });

  it('leaves out runs in which either side failed', () => {
    expect(ratioOf([1, undefined, 3], [2, 2, undefined])).toEqual({
      min: 0.5,
      median: 0.5,
      max: 0.5,
      runs: 1,
    });
    expect(ratioOf([undefined], [1])).toBeUndefined();
  });

  it.each([
    [50, 2],
    [75, 3],
    [99, 4],
    [0, 1],
  ])('takes as percentile %d the smallest value that so many do not exceed', (percent, value) => {
    expect(percentile([1, 2, 3, 4], percent)).toBe(value);
  });
});

describe('the report of the benchmark', () => {
  const scenario = {
    id: 'bulk-1',
    title: 'Bulk, one stream',
    metrics: {
      up: { title: 'upload', unit: 'MB/s', better: 'more' },
      cpu: { title: 'CPU', unit: 's/GB', better: 'less' },
    },
  };
  const ours = { id: 'underpass', title: 'Underpass' };
  const other = { id: 'other', title: 'other' };
  const measured = [
    {
      scenario,
      tunnels: new Map<{ id: string; title: string }, unknown[]>([
        [ours, [{ values: { up: 100, cpu: 10 } }, { values: { up: 120, cpu: 12 } }]],
        [other, [{ values: { up: 50 } }, { error: 'nothing arrived' }]],
      ]),
    },
  ];
  const results = resultsOf(measured, 'underpass', { runs: 2, seconds: 1 });

  it('compares others with the reference, and keeps every value and every failure', () => {
    const [up, cpu] = results[0]?.metrics ?? [];
    expect(up?.tunnels[1]).toEqual({
      id: 'other',
      title: 'other',
      values: [50, undefined],
      summary: { min: 50, median: 50, max: 50, runs: 1 },
      ratio: { min: 2, median: 2, max: 2, runs: 1 },
      failures: ['nothing arrived'],
    });
    expect(up?.tunnels[0]?.ratio).toBeUndefined();
    expect(cpu?.tunnels[1]?.summary).toBeUndefined();
  });

  it('prints ratios before absolute figures, and shows what failed', () => {
    const text = markdownOf({
      machine: ['2 cores'],
      versions: [],
      missing: [{ title: 'kcptun', reason: 'not found: apt-get install kcptun' }],
      reference: 'Underpass',
      scenarios: results,
    });
    const cells = (row: string) => row.split('|').map((cell) => cell.trim());
    const table = text.split('\n').filter((line) => line.startsWith('|'));
    expect(cells(table[0] ?? '').slice(1, -1)).toEqual([
      'tunnel',
      'upload ×',
      'CPU ×',
      'upload, MB/s',
      'CPU, s/GB',
    ]);
    expect(cells(table[3] ?? '')[1]).toBe('other (1 failed: nothing arrived)');
    expect(cells(table[3] ?? '')[2]).toBe('2.00 (2.00–2.00)');
    expect(text).toContain('More is better for upload, less for CPU.');
    expect(text).toContain('not measured: kcptun. not found: apt-get install kcptun');
  });

  it('draws a bar for each tunnel that was measured, with its spread', () => {
    const plots = plotsOf({ scenarios: results, reference: 'Underpass' });
    expect([...plots.keys()]).toEqual(['bulk.svg']);
    const svg = plots.get('bulk.svg') ?? '';
    expect(svg.match(/<rect /g)).toHaveLength(2);
    expect(svg).toContain('Bulk, one stream: upload, MB/s');
    expect(svg).not.toContain('NaN');
  });

  it('keeps earlier scenarios that were not measured again, in the order of all', () => {
    const known = ['a', 'b', 'c'].map((id) => ({ id }));
    const reportOf = (...ids: string[]) => ({
      versions: ids.map((title) => ({ title })),
      scenarios: ids.map((id) => ({ id, from: ids.join() })),
    });
    const joined = joinReports(reportOf('c', 'b'), reportOf('b', 'a'), known);
    expect(joined.scenarios).toEqual([
      { id: 'a', from: 'b,a' },
      { id: 'b', from: 'b,a' },
      { id: 'c', from: 'c,b' },
    ]);
    expect(joined.versions.map(({ title }: { readonly title: string }) => title)).toEqual(['c', 'b', 'a']);
    expect(joinReports(undefined, reportOf('a'), known).scenarios).toHaveLength(1);
  });

  it('writes three significant digits', () => {
    expect([0, 0.04567, 1.2345, 12.345, 1234.5].map(short)).toEqual(['0', '0.0457', '1.23', '12.3', '1235']);
  });
});
