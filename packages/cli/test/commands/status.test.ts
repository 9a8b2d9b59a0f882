/** `underpass status` once, again and again, and as a view of its own. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runStatus } from '../../src/commands/status.js';
import { jsonOf, requireSome, textOf } from '../../src/commands/status-output.js';
import { watchStatus } from '../../src/commands/watch-status.js';
import type { Report, Reports } from '../../src/control/collect-reports.js';
import { statusLines } from '../../src/control/status-text.js';
import { ExitCode } from '../../src/exit-code.js';
import { aClient, aPeer, aRelay } from '../control/reports.js';
import { recordPrinted } from './printed.js';

const stage = vi.hoisted(() => ({
  rounds: [] as unknown[],
  names: [] as unknown[],
  slept: [] as unknown[],
  isPausing: false,
  /** Happens when the program has slept this often. */
  stopAfter: Number.POSITIVE_INFINITY,
  stop: (): void => undefined,
  /** Which signals stop it. */
  signals: [] as readonly string[],
  shown: [] as (readonly string[])[],
  quit: (): void => undefined,
  isClosed: false,
  /** Why standard output has failed, if it has. */
  outputFailure: undefined as Error | undefined,
}));
vi.mock('node:timers/promises', () => ({
  setTimeout: async (ms: number, _: unknown, options?: { readonly signal: AbortSignal }) => {
    stage.slept.push(ms);
    stage.isPausing = true;
    await new Promise(setImmediate);
    stage.isPausing = false;
    if (stage.slept.length < stage.stopAfter) return;
    stage.stop();
    stage.quit();
    const signal = options?.signal;
    if (signal?.aborted !== true) await new Promise((stop) => signal?.addEventListener('abort', stop));
    throw new Error('aborted');
  },
}));
vi.mock('../../src/control/collect-reports.js', () => ({
  collectReports: async (name: unknown) => {
    if (stage.isPausing) throw new Error('asked again during a pause');
    stage.names.push(name);
    return stage.rounds.length > 1 ? stage.rounds.shift() : stage.rounds[0];
  },
}));
vi.mock('../../src/stop-signal.js', () => ({
  untilStopSignal: (signals: readonly string[]) =>
    new Promise<string>((resolve) => {
      stage.signals = signals;
      stage.stop = () => resolve(signals[0] ?? '');
    }),
}));
vi.mock('../../src/terminal.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/terminal.js')>();
  return {
    ...original,
    hasOutputFailed: () => stage.outputFailure !== undefined,
    requireOutput: async () => {
      await original.requireOutput();
      if (stage.outputFailure !== undefined) throw stage.outputFailure;
    },
  };
});
vi.mock('../../src/live-screen.js', () => ({
  LiveScreen: class {
    size = { columns: 80, rows: 24 };
    constructor(onQuit: () => void) {
      stage.quit = onQuit;
    }
    show(lines: readonly string[]): void {
      stage.shown.push(lines);
    }
    close(): void {
      stage.isClosed = true;
    }
  },
}));

let printed: () => string[];
beforeEach(() => {
  Object.assign(stage, {
    stopAfter: Number.POSITIVE_INFINITY,
    isPausing: false,
    isClosed: false,
    quit: () => undefined,
    outputFailure: undefined,
  });
  for (const list of [stage.rounds, stage.names, stage.slept, stage.shown]) list.length = 0;
  printed = recordPrinted();
});

/** A client that has sent so much by then. */
const sent = (bytes: number, atMs: number, problems: readonly string[] = []): Reports => ({
  reports: [aClient({ atMs, relay: aPeer({ name: 'vps', streamBytesSent: bytes }) })],
  problems,
});
const ratesIn = (line: string | undefined) =>
  (JSON.parse(line?.slice(4) ?? '{}').clients as { readonly relay: { readonly rates?: object } }[]).map(
    ({ relay }) => relay.rates,
  );
const perSecond = (sentBytesPerSecond: number) => ({ sentBytesPerSecond, receivedBytesPerSecond: 0 });

describe('the output of status', () => {
  const relays = [aRelay({ pid: 1 }), aRelay({ pid: 2, name: 'other' })];
  const client = aClient({ pid: 1, atMs: 2000 });
  const before: Report[] = [aClient({ pid: 2, atMs: 1000 }), aRelay({ pid: 1, atMs: 0 })];

  it('is JSON with relays and clients apart, and rates only against the same process', () => {
    const { relays: first, clients } = JSON.parse(jsonOf([...relays, client], before));
    expect(first.map((relay: Report) => [relay.kind, relay.pid])).toEqual([
      ['relay', 1],
      ['relay', 2],
    ]);
    expect(
      first.map(({ peers }: { readonly peers: readonly object[] }) => 'rates' in (peers[0] ?? {})),
    ).toEqual([true, false]);
    expect(first[0]).not.toHaveProperty('relay');
    expect(clients).toEqual([JSON.parse(JSON.stringify(client))]);
  });

  it('is text with an empty line between processes', () => {
    const [one = '', two = ''] = relays.map((relay) => textOf([relay], []));
    expect(one).not.toBe('');
    expect(textOf(relays, [])).toBe(`${one}\n\n${two}`);
  });

  it('is text with a line for each fact, and with rates against the same process', () => {
    const [report] = sent(4000, 2000).reports;
    if (report === undefined) throw new Error('there is one');
    const lines = textOf([report], []).split('\n');
    expect(lines).toEqual(statusLines(report, undefined));
    expect(lines.length).toBeGreaterThan(1);
    const [earlier] = sent(1000, 1000).reports;
    expect(textOf([report], [aRelay({ pid: 7 }), ...sent(1000, 1000).reports]).split('\n')).toEqual(
      statusLines(report, earlier),
    );
    expect(statusLines(report, earlier)).not.toEqual(lines);
  });

  it('is a failure if nothing runs, or nothing of that name, after the reasons why', () => {
    const none = { reports: [], problems: ['a', 'b'] };
    expect(() => requireSome(none, undefined)).toThrow(
      expect.objectContaining({
        exitCode: ExitCode.failure,
        message: 'no relay or client of this user is running',
        hint: expect.stringContaining('underpass relay'),
      }),
    );
    expect(printed()).toEqual(['err a', 'err b']);
    expect(() => requireSome(none, 'vps')).toThrow(
      expect.objectContaining({
        message: 'no relay or client named vps is running for this user',
        hint: 'underpass status lists those that do',
      }),
    );
    printed();
    expect(requireSome({ reports: [client], problems: ['a'] }, undefined)).toEqual([client]);
    expect(printed()).toEqual([]);
  });
});

describe('underpass status', () => {
  it('measures rates over half a second', async () => {
    stage.rounds.push(sent(1000, 0, ['early']), sent(1500, 500, ['late']));
    await runStatus('vps', { json: true });
    const [problem, line, ...more] = printed();
    expect([problem, more]).toEqual(['err late', []]);
    expect(ratesIn(line)).toEqual([perSecond(1000)]);
    expect([stage.slept, stage.names]).toEqual([[500], ['vps', 'vps']]);
  });

  it('prints text unless asked for JSON', async () => {
    stage.rounds.push(sent(1000, 0), sent(1500, 500));
    await runStatus(undefined, {});
    expect(printed()).toEqual([`out ${textOf(sent(1500, 500).reports, sent(1000, 0).reports)}`]);
  });

  it('fails at once if nothing runs', async () => {
    stage.rounds.push({ reports: [], problems: [] });
    await expect(runStatus('vps', {})).rejects.toThrow('named vps');
    expect(stage.slept).toEqual([]);
  });
});

describe('underpass status --watch', () => {
  it('prints a report each second against the one before, until it is stopped', async () => {
    stage.rounds.push(sent(0, 0), sent(1000, 1000, ['why']), sent(4000, 2000));
    stage.stopAfter = 3;
    await runStatus('vps', { watch: true, json: true });
    const lines = printed();
    expect(lines[0]).toBe('err why');
    expect(lines.slice(1).map(ratesIn)).toEqual([[perSecond(1000)], [perSecond(3000)]]);
    expect([stage.slept, stage.names]).toEqual([
      [1000, 1000, 1000],
      ['vps', 'vps', 'vps'],
    ]);
  });

  it('prints text with an empty line behind each report', async () => {
    stage.rounds.push(sent(0, 0), sent(1000, 1000));
    stage.stopAfter = 2;
    await watchStatus(undefined, false);
    expect(printed()).toEqual([`out ${textOf(sent(1000, 1000).reports, sent(0, 0).reports)}\n`]);
  });

  it('fails if nothing runs at first, but not if it ends later', async () => {
    stage.rounds.push({ reports: [], problems: [] });
    await expect(watchStatus('vps', true)).rejects.toThrow('named vps');
    stage.rounds.splice(0, 1, sent(0, 0), { reports: [], problems: [] });
    stage.stopAfter = 2;
    await watchStatus('vps', true);
    expect(printed()).toEqual(['out {"relays":[],"clients":[]}']);
  });

  it('stops when a signal says so, also the one that means that the terminal is gone', async () => {
    stage.rounds.push(sent(0, 0));
    stage.stopAfter = 1;
    await watchStatus('vps', true);
    expect(stage.signals).toEqual(['SIGINT', 'SIGTERM', 'SIGHUP']);
    expect(printed()).toEqual([]);
  });

  it('ends when its output fails, and says why', async () => {
    stage.rounds.push(sent(0, 0), sent(1000, 1000));
    stage.outputFailure = new Error('no space left');
    await expect(watchStatus('vps', true)).rejects.toBe(stage.outputFailure);
    expect(stage.slept).toHaveLength(1);
  });

  it('prints JSON on a terminal too', async () => {
    const { isTTY } = process.stdout;
    process.stdout.isTTY = true;
    try {
      stage.rounds.push(sent(0, 0), sent(1000, 1000));
      stage.stopAfter = 2;
      await watchStatus('vps', true);
    } finally {
      process.stdout.isTTY = isTTY;
    }
    expect(printed().map((line) => ratesIn(line))).toEqual([[perSecond(1000)]]);
    expect(stage.shown).toEqual([]);
  });

  it('is a view on a terminal, which waits for something to run, and gives the terminal back', async () => {
    const { isTTY } = process.stdout;
    process.stdout.isTTY = true;
    try {
      stage.rounds.push({ reports: [], problems: [] }, sent(0, 0), sent(1000, 1000));
      stage.stopAfter = 3;
      await watchStatus('vps', false);
    } finally {
      process.stdout.isTTY = isTTY;
    }
    expect(stage.shown.map((lines) => lines[2])).toEqual([
      'no relay or client of this user is running: waiting for one',
      expect.stringContaining('vps'),
      expect.stringContaining('vps'),
    ]);
    expect(stage.shown[0]?.[0]).toMatch(/^underpass status, \d\d:\d\d:\d\d \(q quits\)$/);
    // Only the third knows a rate, which it shows as a graph and for the peer.
    const withRate = (lines: readonly string[]) => lines.filter((line) => line.includes('1000 B/s')).length;
    expect(stage.shown.map(withRate)).toEqual([0, 0, 2]);
    expect(stage.slept).toEqual([1000, 1000, 1000]);
    expect([stage.isClosed, stage.names, printed()]).toEqual([true, ['vps', 'vps', 'vps'], []]);
  });
});
