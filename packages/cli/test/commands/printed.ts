/** Captures what commands print. */
import { onTestFinished, vi } from 'vitest';
import { stderrWriter } from '../../src/stderr.js';

/** Records from now on until the test ends.
 *  @param waits  whether the command has to wait for its output: one that goes on for long need not
 *  @returns takes what was printed since the last call, as `out TEXT` or `err TEXT`. It throws if the command did not wait until its output was written */
export function recordPrinted(waits = true): () => string[] {
  const lines: string[] = [];
  let isSettled = true;
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(((text: string, done?: () => void) => {
    isSettled = text === '';
    if (text !== '') lines.push(`out ${text.replace(/\n$/, '')}`);
    done?.();
    return true;
  }) as never);
  const err = vi.spyOn(stderrWriter(), 'write').mockImplementation((text) => void lines.push(`err ${text}`));
  onTestFinished(() => {
    out.mockRestore();
    err.mockRestore();
  });
  return () => {
    const taken = lines.splice(0);
    if (waits && !isSettled) throw new Error(`nobody waited until this was written: ${taken.join('\n')}`);
    return taken;
  };
}
