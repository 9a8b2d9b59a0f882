import { createSocket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { probePort } from '../src/index.js';
import { FakeTimers } from './fake-endpoint.js';

/** A port of this machine, with or without a listener. */
async function port(): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: socket.address().port, close: () => new Promise((resolve) => socket.close(resolve)) };
}

describe('probing a UDP port', () => {
  it.runIf(process.platform === 'linux')('reports ECONNREFUSED when nothing listens', async () => {
    const free = await port();
    await free.close();
    const timers = new FakeTimers();
    expect(await probePort({ address: '127.0.0.1', port: free.port }, timers)).toBe('ECONNREFUSED');
    expect(timers.pending).toBe(0);
  });

  it('gives up after a second when something listens, because that stays silent', async () => {
    const taken = await port();
    const timers = new FakeTimers();
    const answer = probePort({ address: '127.0.0.1', port: taken.port }, timers);
    timers.advance(1_000);
    expect(await answer).toBeUndefined();
    await taken.close();
  });
});
