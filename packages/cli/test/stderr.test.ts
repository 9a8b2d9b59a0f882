/** Standard error, with a system that the test plays: a terminal, a pipe or a file, whose reader may be slow or gone. */
import { beforeEach, describe, expect, it, vi } from 'vitest';

const stage = vi.hoisted(() => ({
  isTerminal: true,
  kind: 'file' as 'file' | 'pipe' | 'socket' | 'closed',
  canReopen: true,
  /** What one call takes; an error if it is a text. */
  takes: Number.POSITIVE_INFINITY as number | string,
  written: [] as string[],
  descriptors: new Set<number>(),
  opened: [] as unknown[],
}));

vi.mock('node:tty', () => ({ isatty: () => stage.isTerminal }));
vi.mock('node:fs', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  openSync: (...parameters: unknown[]) => {
    stage.opened.push(parameters);
    if (!stage.canReopen) throw new Error('ENXIO');
    return 77;
  },
  writeSync: (descriptor: number, data: string | Uint8Array) => {
    if (typeof stage.takes === 'string') throw Object.assign(new Error(), { code: stage.takes });
    const bytes = Buffer.from(data);
    const count = Math.min(bytes.length, stage.takes);
    stage.descriptors.add(descriptor);
    stage.written.push(String(bytes.subarray(0, count)));
    return count;
  },
  fstatSync: () => {
    if (stage.kind === 'closed') throw new Error('EBADF');
    return { isFIFO: () => stage.kind === 'pipe', isSocket: () => stage.kind === 'socket' };
  },
}));

const ERASE = '\r\u001b[K';

/** A process whose stderr nobody has used yet. */
async function fresh(more: Partial<typeof stage> = {}) {
  Object.assign(stage, more);
  vi.resetModules();
  return import('../src/stderr.js');
}
const written = () => stage.written.splice(0);

beforeEach(() => {
  const system = { isTerminal: true, kind: 'file', canReopen: true, takes: Number.POSITIVE_INFINITY };
  Object.assign(stage, { ...system, written: [], descriptors: new Set(), opened: [] });
  vi.stubEnv('TERM', 'xterm');
  return () => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  };
});

describe('standard error', () => {
  it('has one writer', async () => {
    const { stderrWriter } = await fresh();
    expect(stderrWriter()).toBe(stderrWriter());
    stderrWriter().write('hello');
    expect(written().join('')).toBe('hello\n');
  });

  it.each<[string, Partial<typeof stage>, number, boolean, boolean]>([
    ['a terminal is opened again, so that it does not block', {}, 77, true, false],
    ['a terminal that cannot be opened again stays as it is', { canReopen: false }, 2, true, false],
    ['a pipe', { isTerminal: false, kind: 'pipe' }, 2, false, true],
    ['a socket', { isTerminal: false, kind: 'socket' }, 2, false, true],
    ['a file', { isTerminal: false, kind: 'file' }, 2, false, false],
    ['nothing at all', { isTerminal: false, kind: 'closed' }, 2, false, false],
  ])('may be: %s', async (_what, system, descriptor, isOpened, listens) => {
    const on = vi.spyOn(process.stderr, 'on').mockReturnValue(process.stderr);
    const { stderrWriter } = await fresh(system);
    stderrWriter().write('hello');
    expect([...stage.descriptors]).toEqual([descriptor]);
    expect(stage.opened.length > 0).toBe(isOpened);
    expect(on.mock.calls.some(([event]) => String(event) === 'error')).toBe(listens);
  });

  it('says how many lines were lost, and why, once it works again', async () => {
    const { stderrWriter, setLossLine, lossText } = await fresh({ takes: 'ENOSPC' });
    for (let n = 0; n < 5; n++) stderrWriter().write('x'.repeat(100_000));
    stage.takes = Number.POSITIVE_INFINITY;
    stderrWriter().flush();
    const lines = written().join('').split('\n');
    expect(lines.at(-2)).toBe(
      'underpass: 3 lines of the log could not be written and are lost (no space left)',
    );
    expect(lossText(1, 'no space left')).toBe(
      '1 line of the log could not be written and is lost (no space left)',
    );
    setLossLine((count, reason) => `${count} ${reason}`);
    stage.takes = 'EPIPE';
    for (let n = 0; n < 4; n++) stderrWriter().write('x'.repeat(100_000));
    stage.takes = Number.POSITIVE_INFINITY;
    stderrWriter().flush();
    expect(written().join('').split('\n').at(-2)).toBe('2 the reader has gone away');
  });

  it('gets a last chance to be read before the process ends, for a limited time', async () => {
    const { stderrWriter, settleStderr } = await fresh({ takes: 'EAGAIN' });
    await settleStderr(1000); // nothing waits
    const sleeps: number[] = [];
    const sleep = (callback: () => void, delayMs: number): object => {
      const isWritersOwn = delayMs > 100;
      if (!isWritersOwn) {
        sleeps.push(delayMs);
        if (sleeps.length === 3) stage.takes = Number.POSITIVE_INFINITY;
        queueMicrotask(callback);
      }
      return { unref: () => undefined };
    };
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(sleep as never);
    stderrWriter().write('last words');
    await settleStderr(20);
    expect([sleeps, written()]).toEqual([[10, 10], []]);
    await settleStderr(1000);
    expect([sleeps, written()]).toEqual([[10, 10, 10], ['last words\n']]);
  });
});

describe('a progress line', () => {
  it('is replaced by the next one, by a line, or by nothing', async () => {
    const { showProgress, stderrWriter } = await fresh();
    stderrWriter();
    showProgress('');
    expect(written()).toEqual([]);
    showProgress('one');
    showProgress('two');
    stderrWriter().write('line');
    stderrWriter().write('line');
    showProgress('three');
    showProgress('');
    showProgress('');
    expect(written()).toEqual([
      `${ERASE}one`,
      `${ERASE}two`,
      ERASE,
      'line\n',
      'line\n',
      `${ERASE}three`,
      ERASE,
    ]);
  });

  it.each<[string, Partial<typeof stage>, string]>([
    ['stderr is not a terminal', { isTerminal: false }, 'xterm'],
    ['the terminal knows no such thing', {}, 'dumb'],
  ])('is not shown if %s', async (_why, system, term) => {
    vi.stubEnv('TERM', term);
    const { showProgress } = await fresh(system);
    showProgress('one');
    expect(written()).toEqual([]);
  });

  it('is not shown while lines wait, or if the terminal does not take it', async () => {
    const { showProgress, stderrWriter } = await fresh({ takes: 'EAGAIN' });
    showProgress('one');
    stderrWriter().write('line');
    stage.takes = 0;
    showProgress('two');
    expect(written().filter((text) => text !== '')).toEqual([]);
    stage.takes = Number.POSITIVE_INFINITY;
    stderrWriter().flush();
    // No progress line is there that would have to be erased.
    expect(written()).toEqual(['line\n']);
  });
});

it('a prompt comes after the lines before it, and is no reason to fail', async () => {
  const { showPrompt, stderrWriter } = await fresh({ takes: 'EAGAIN' });
  stderrWriter().write('line');
  stage.takes = Number.POSITIVE_INFINITY;
  showPrompt('Key: ');
  expect(written()).toEqual(['line\n', 'Key: ']);
  stage.takes = 'EIO';
  showPrompt('Key: ');
});
