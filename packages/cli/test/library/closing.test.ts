/** How a tunnel and a relay are closed. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Closing } from '../../src/library/closing.js';

/** Something that takes until `end` to close. */
function setUp() {
  let calls = 0;
  let end = (): void => undefined;
  const closing = new Closing('the tunnel', () => {
    calls++;
    return new Promise((resolve) => {
      end = resolve;
    });
  });
  return { closing, calls: () => calls, end: () => end() };
}

describe('closing', () => {
  it('happens once, and whoever asks for it waits until it is done', async () => {
    const { closing, calls, end } = setUp();
    const closed: string[] = [];
    expect(closing.hasBegun).toBe(false);
    const first = closing.close().then(() => closed.push('first'));
    expect(closing.hasBegun).toBe(true);
    const second = closing.close().then(() => closed.push('second'));
    await new Promise(setImmediate);
    expect([calls(), closed]).toEqual([1, []]);
    end();
    await Promise.all([first, second]);
    await closing.close();
    expect([calls(), closed, closing.hasBegun]).toEqual([1, ['first', 'second'], true]);
  });

  it('makes the thing useless from its beginning on', () => {
    const { closing } = setUp();
    expect(() => closing.refuseClosed()).not.toThrow();
    void closing.close();
    expect(() => closing.refuseClosed()).toThrow(
      expect.objectContaining({ code: 'closed', message: 'the tunnel is closed' }),
    );
  });

  it('begins when a signal aborts, or at once if that has happened already', () => {
    for (const isBefore of [true, false]) {
      const { closing, calls } = setUp();
      const abort = new AbortController();
      if (isBefore) abort.abort();
      closing.closeWith(abort.signal);
      expect(calls()).toBe(isBefore ? 1 : 0);
      abort.abort();
      expect(calls()).toBe(1);
    }
  });

  it('leaves nothing at a signal, which may live longer', async () => {
    const { closing, end } = setUp();
    const { signal } = new AbortController();
    closing.closeWith(signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    const closed = closing.close();
    end();
    await closed;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
