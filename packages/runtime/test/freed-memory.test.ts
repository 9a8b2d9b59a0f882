import { cLibrary, returnFreedMemory } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';

describe('freed memory', () => {
  it('is given back by glibc, all of it', () => {
    const pads: number[] = [];
    returnFreedMemory({ malloc_trim: (pad) => pads.push(pad) });
    expect(pads).toEqual([0]);
  });

  it('stays where the C library cannot give it back, or cannot be called', () => {
    expect(() => returnFreedMemory({})).not.toThrow();
    expect(() => returnFreedMemory(undefined)).not.toThrow();
  });

  it.skipIf(cLibrary() === undefined || !isGlibc())('is found in glibc', () => {
    expect([0, 1]).toContain(cLibrary()?.malloc_trim?.(0));
  });
});

function isGlibc(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}
