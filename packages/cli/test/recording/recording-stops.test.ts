/** Checks how recordings cope with a disk that is slow, full, or takes a part of what it is given. The tests play the
 *  system, because no real disk does this on demand. */
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { silentLog } from '@underpass/runtime';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { openCapture } from '../../src/recording/capture-file.js';
import { openKeyLog } from '../../src/recording/key-log.js';
import { openQlog } from '../../src/recording/qlog-file.js';
import { RecordingFile, type RecordingFileOptions } from '../../src/recording/recording-file.js';
import { temporaryDirectory } from '../temporary-directory.js';

const stage = vi.hoisted(() => ({
  /** The most bytes that one call takes. */
  takes: Number.POSITIVE_INFINITY,
  /** How many bytes are free. */
  free: Number.POSITIVE_INFINITY,
  /** Calls that the disk has not finished; undefined if it finishes them at once. */
  held: undefined as (() => void)[] | undefined,
  calls: [] as string[],
  writing: 0,
  mostWriting: 0,
  limitBytes: undefined as number | undefined,
}));

type Done = (error: Error | null, count: number) => void;
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const write = (file: number, bytes: Buffer, offset: number, length: number, at: null, done: Done): void => {
    stage.mostWriting = Math.max(stage.mostWriting, ++stage.writing);
    const finish = (error: Error | null, count: number): void => {
      stage.writing--;
      done(error, count);
    };
    const act = (): void => {
      const count = Math.min(length, stage.takes, stage.free);
      stage.calls.push(`write ${count}`);
      stage.free -= count;
      if (count === 0) finish(Object.assign(new Error('full'), { code: 'ENOSPC' }), 0);
      else fs.write(file, bytes, offset, count, at, finish);
    };
    if (stage.held === undefined) act();
    else stage.held.push(act);
  };
  const writeSync = (file: number, bytes: Uint8Array): number => {
    const count = Math.min(bytes.length, stage.takes);
    return fs.writeSync(file, bytes, 0, count);
  };
  const noted =
    <Parameters extends unknown[], Result>(name: string, call: (...parameters: Parameters) => Result) =>
    (...parameters: Parameters): Result => {
      stage.calls.push(name);
      return call(...parameters);
    };
  return {
    ...fs,
    write,
    writeSync,
    close: noted('close', fs.close),
    closeSync: noted('closeSync', fs.closeSync),
    ftruncate: noted('ftruncate', fs.ftruncate),
  };
});
vi.mock('../../src/recording/recording-file.js', async (importOriginal) => {
  const module = await importOriginal<typeof import('../../src/recording/recording-file.js')>();
  class Limited extends module.RecordingFile {
    constructor(options: RecordingFileOptions) {
      super(stage.limitBytes === undefined ? options : { ...options, limitBytes: stage.limitBytes });
    }
  }
  return { ...module, RecordingFile: Limited };
});

beforeEach(() => {
  const system = { takes: Number.POSITIVE_INFINITY, free: Number.POSITIVE_INFINITY, limitBytes: undefined };
  Object.assign(stage, { ...system, held: undefined, writing: 0, mostWriting: 0 });
  stage.calls.length = 0;
});

/** The disk goes on. */
function release(): void {
  const held = stage.held ?? [];
  stage.held = undefined;
  for (const act of held) act();
}

function open(options: Partial<RecordingFileOptions> = {}) {
  const file = path.join(temporaryDirectory(), 'recording');
  const stops: (Error | undefined)[] = [];
  const descriptor = openSync(file, 'w');
  const output = new RecordingFile({ file: descriptor, onStopped: (error) => stops.push(error), ...options });
  return { file, output, stops };
}
const append = (output: RecordingFile, ...pieces: readonly string[]) =>
  pieces.map((piece) => output.append(Buffer.from(piece)));

describe('a recording file', () => {
  it('writes the rest of what the system took in part, one call at a time', async () => {
    stage.takes = 3;
    const { file, output, stops } = open();
    expect(append(output, 'hello ', 'wide ', 'world')).toEqual([true, true, true]);
    await output.close();
    expect(readFileSync(file, 'utf8')).toBe('hello wide world');
    expect([stage.mostWriting, stops, stage.calls.at(-1)]).toEqual([1, [], 'close']);
  });

  it('ends behind a whole piece when the disk is full, and closes', async () => {
    const { file, output, stops } = open();
    append(output, 'first');
    await expect.poll(() => statSync(file).size).toBe(5);
    stage.free = 3;
    stage.held = [];
    append(output, 'second', 'third');
    release();
    await expect.poll(() => stops.length).toBe(1);
    append(output, 'fourth');
    await output.close();
    expect(stops).toMatchObject([{ code: 'ENOSPC' }]);
    expect(readFileSync(file, 'utf8')).toBe('first');
    expect(stage.calls.slice(-2)).toEqual(['ftruncate', 'close']);
  });

  it('does not count a piece as written before the system says so', async () => {
    const { file, output } = open();
    append(output, 'first');
    await expect.poll(() => statSync(file).size).toBe(5);
    append(output, 'second');
    await expect.poll(() => statSync(file).size).toBe(11);
    stage.free = 1;
    append(output, 'third');
    await output.close();
    expect(readFileSync(file, 'utf8')).toBe('firstsecond');
  });

  it.each<[string, Partial<RecordingFileOptions>, readonly boolean[], readonly unknown[]]>([
    ['exactly as many bytes as may wait', { waitingLimitBytes: 10 }, [true, true, false], []],
    ['exactly as many bytes as the file may have', { limitBytes: 10 }, [true, true, false], [undefined]],
  ])('takes %s', async (_what, options, accepted, stopped) => {
    stage.held = [];
    const { file, output, stops } = open(options);
    expect(append(output, 'first', 'again', '!')).toEqual(accepted);
    expect(stops).toEqual(stopped);
    release();
    await output.close();
    expect(readFileSync(file, 'utf8')).toBe('firstagain');
  });

  it('takes nothing once it closes, waits for what it took, and then closes the file', async () => {
    stage.held = [];
    const { file, output, stops } = open();
    append(output, 'first', 'second');
    let isClosed = false;
    const closing = output.close().then(() => {
      isClosed = true;
    });
    expect(append(output, 'third')).toEqual([false]);
    await new Promise(setImmediate);
    expect([isClosed, stage.calls]).toEqual([false, []]);
    release();
    await closing;
    expect([readFileSync(file, 'utf8'), stage.calls.at(-1), stops]).toEqual(['firstsecond', 'close', []]);
  });
});

it('a recording file says so when its last pieces do not fit, although it is closing', async () => {
  stage.held = [];
  stage.free = 3;
  const { file, output, stops } = open();
  append(output, 'first');
  const closing = output.close();
  release();
  await closing;
  expect([stops.length, stops[0], statSync(file).size]).toMatchObject([1, { code: 'ENOSPC' }, 0]);
});

const HERE = { address: '::', port: 4000 };
const RELAY = { address: '192.0.2.1', port: 51820 };

describe('the log', () => {
  const setUp = () => {
    const file = path.join(temporaryDirectory(), 'recording');
    const lines: { readonly event?: string; readonly text: string }[] = [];
    const note = (fields: object, text: string) => lines.push({ ...fields, text });
    const log = { ...silentLog, warn: note, info: note };
    const of = (event: string) => lines.filter((line) => line.event === event);
    return { file, log, of };
  };
  const REASONS = [
    ['the disk is full', { free: 600 }, 'no space left'],
    ['the file has its largest size', { limitBytes: 600 }, 'it has reached its largest size'],
  ] as const;

  it.each(REASONS)('says once why a capture stops, and what is missing: %s', async (_why, system, reason) => {
    Object.assign(stage, system);
    const { file, log, of } = setUp();
    const capture = openCapture(file, 'client', log);
    capture.begin();
    capture.tap.onSent(Buffer.alloc(100), HERE, RELAY);
    for (let n = 0; n < 9; n++) {
      await expect.poll(() => stage.writing).toBe(0);
      capture.tap.onReceived(Buffer.alloc(100), RELAY, HERE);
    }
    await capture.close();
    expect(of('capture-stopped').map(({ text }) => text)).toEqual([
      `the capture ${file} stops here (${reason})`,
    ]);
    const [line] = of('captured') as unknown as { datagrams: number; missing: number; text: string }[];
    const { datagrams = 0, missing = 0 } = line ?? {};
    expect(datagrams + missing).toBe(10);
    expect(missing).toBeGreaterThan(0);
    expect(line?.text).toBe(
      `captured ${datagrams} datagrams in ${file}; ${missing} more are missing from it`,
    );
    expect(statSync(file).size).toBeLessThanOrEqual(600);
  });

  it.each(REASONS)('says once why a qlog stops: %s', async (_why, system, reason) => {
    Object.assign(stage, { ...system, [Object.keys(system)[0] as string]: 10 });
    const { file, log, of } = setUp();
    const qlog = openQlog(file, 'client', log); // the header alone is longer
    qlog.begin();
    await qlog.close();
    expect(of('qlog-stopped').map(({ text }) => text)).toEqual([`the qlog ${file} stops here (${reason})`]);
    expect(statSync(file).size).toBe(0);
  });

  it('says once that a key log ends with a line that was cut short', () => {
    const { file, log, of } = setUp();
    const write = openKeyLog(file, log);
    stage.takes = 6; // exactly the first line with its end
    write('LINE1');
    stage.takes = 5;
    write('LINE2');
    write('LINE3');
    expect(of('key-log-failed').map(({ text }) => text)).toEqual([
      `the key log ${file} stops here (a line was cut short)`,
    ]);
    expect(readFileSync(file, 'utf8')).toBe('LINE1\nLINE2');
  });

  it('keeps no file open that it refuses', () => {
    const { file, log } = setUp();
    closeSync(openSync(file, 'w', 0o644));
    stage.calls.length = 0;
    expect(() => openKeyLog(file, log)).toThrow('open to other users');
    expect(stage.calls).toEqual(['closeSync']);
  });
});
