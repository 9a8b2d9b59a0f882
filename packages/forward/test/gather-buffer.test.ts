import { expect, it } from 'vitest';
import { GATHER_BYTES } from '../src/forward-constants.js';
import { gatherBuffer } from '../src/gather-buffer.js';

it('a gather buffer belongs to one pump at a time, and to the next once it is given back', () => {
  const first = gatherBuffer.take();
  const second = gatherBuffer.take();
  expect([first.length, second.length]).toEqual([GATHER_BYTES, GATHER_BYTES]);
  expect(second).not.toBe(first);
  gatherBuffer.giveBack(first);
  expect(gatherBuffer.take()).toBe(first);
  expect(gatherBuffer.take()).not.toBe(first);
});
