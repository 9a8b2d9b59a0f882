import { openSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { RecordingFile, type RecordingFileOptions } from '../../src/recording/recording-file.js';
import { temporaryDirectory } from '../temporary-directory.js';

describe('a recording file', () => {
  it('holds all pieces in order', async () => {
    const { file, output, stops } = open();
    for (let i = 0; i < 1000; i++) expect(output.append(Buffer.from(`${i}\n`))).toBe(true);
    await output.close();
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines).toEqual(Array.from({ length: 1000 }, (_, i) => `${i}`));
    expect(stops).toEqual([]);
  });

  it('ends behind a whole piece at its limit, and says so once', async () => {
    const { file, output, stops } = open({ limitBytes: 25 });
    const accepted = [1, 2, 3, 4].map(() => output.append(Buffer.alloc(10)));
    expect(accepted).toEqual([true, true, false, false]);
    await output.close();
    expect(statSync(file).size).toBe(20);
    expect(stops).toEqual([undefined]);
  });

  it('refuses pieces while too many bytes wait, and then goes on', async () => {
    const { file, output, stops } = open({ waitingLimitBytes: 100 });
    expect(output.append(Buffer.alloc(60))).toBe(true);
    expect(output.append(Buffer.alloc(60))).toBe(false);
    await expect.poll(() => output.append(Buffer.alloc(60))).toBe(true);
    await output.close();
    expect(statSync(file).size).toBe(120);
    expect(stops).toEqual([]);
  });

  it('ends when the system refuses to write, for example because the disk is full', async (context) => {
    if (process.platform !== 'linux') return context.skip('needs /dev/full');
    const stops: (Error | undefined)[] = [];
    const output = new RecordingFile({
      file: openSync('/dev/full', 'w'),
      onStopped: (error) => stops.push(error),
    });
    expect(output.append(Buffer.alloc(10))).toBe(true);
    await expect.poll(() => stops.length).toBe(1);
    expect(stops[0]).toMatchObject({ code: 'ENOSPC' });
    expect(output.append(Buffer.alloc(10))).toBe(false);
    await output.close();
    expect(stops).toHaveLength(1);
  });
});

function open(options: Partial<RecordingFileOptions> = {}): {
  file: string;
  output: RecordingFile;
  stops: (Error | undefined)[];
} {
  const file = path.join(temporaryDirectory(), 'recording');
  const stops: (Error | undefined)[] = [];
  const output = new RecordingFile({
    file: openSync(file, 'w'),
    onStopped: (error) => stops.push(error),
    ...options,
  });
  return { file, output, stops };
}
