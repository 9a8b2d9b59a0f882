import { describe, expect, it } from 'vitest';
import { MAX_SNAPSHOT_CHARACTERS } from '../../src/live/limits.js';
import { readSnapshots } from '../../src/live/read-snapshots.js';

/** Reads a stream that arrives in these pieces. @returns the times of its snapshots */
async function read(...pieces: readonly (string | Uint8Array)[]): Promise<number[]> {
  const times: number[] = [];
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) {
        controller.enqueue(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
      }
      controller.close();
    },
  });
  await readSnapshots(stream, ({ nowMs }) => times.push(nowMs));
  return times;
}

describe('the snapshots of a process', () => {
  it('are read however they are cut', async () => {
    const text = 'data: {"nowMs":1,"name":"Zürich"}\n\ndata: {"nowMs":2}\n\n';
    const bytes = new TextEncoder().encode(text);
    expect(await read(text)).toEqual([1, 2]);
    expect(await read(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual([1, 2]);
  });

  it('are not what another event says, nor what is cut off at the end', async () => {
    expect(await read(': still here\n\n', 'data: {"nowMs":1}\n\n', 'data: {"nowMs":2}\n')).toEqual([1]);
  });

  it('end with one that is too long, or no JSON', async () => {
    await expect(read('data: '.padEnd(MAX_SNAPSHOT_CHARACTERS + 1))).rejects.toThrow('too long');
    await expect(read('data: nonsense\n\n')).rejects.toThrow(SyntaxError);
  });
});
