import path from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openControl } from '../../src/control/control-client.js';
import { temporaryDirectory } from '../temporary-directory.js';

describe('a request to a control socket', () => {
  it('leaves no timer behind when nobody listens, so that the program can end', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const socket = path.join(temporaryDirectory(), 'nobody.sock');
    await expect(openControl({ socket, method: 'GET', path: '/status' })).rejects.toThrow(
      `nobody answers at ${socket}`,
    );
    expect(vi.getTimerCount()).toBe(0);
  });
});
