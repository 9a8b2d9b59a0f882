import { createSocket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { askPort } from '../src/index.js';
import { FakeTimers } from './fake-endpoint.js';

/** A port of this machine, with somebody who listens or with nobody. */
async function port(): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: socket.address().port, close: () => new Promise((resolve) => socket.close(resolve)) };
}

describe('the question whether anything listens on a port', () => {
  it.runIf(process.platform === 'linux')('is answered by the other kernel when nothing does', async () => {
    const free = await port();
    await free.close();
    const timers = new FakeTimers();
    expect(await askPort({ address: '127.0.0.1', port: free.port }, timers)).toBe('ECONNREFUSED');
    expect(timers.pending).toBe(0);
  });

  it('is given up after a second when something listens: that says nothing', async () => {
    const taken = await port();
    const timers = new FakeTimers();
    const answer = askPort({ address: '127.0.0.1', port: taken.port }, timers);
    timers.advance(1_000);
    expect(await answer).toBeUndefined();
    await taken.close();
  });
});
