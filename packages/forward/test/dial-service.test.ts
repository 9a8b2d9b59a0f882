import { describe, expect, it } from 'vitest';
import { DialQueue } from '../src/dial-queue.js';
import { DialService, type Route } from '../src/dial-service.js';
import type { IncomingRequest } from '../src/incoming-request.js';
import { FakeTimers } from './fake-timers.js';

describe('a request that is decided as soon as it enters the queue', () => {
  it('gives its place back', () => {
    const timers = new FakeTimers();
    const queue = new DialQueue({ mayDial: () => true, timers, now: timers.now });
    const refusals: string[] = [];
    const request = {
      get isDecided() {
        return refusals.length > 0;
      },
      refuse: (status: string) => refusals.push(status),
    } as unknown as IncomingRequest;
    const route = {
      target: { host: '192.0.2.1', port: 80 },
      judge: () => undefined,
    } as unknown as Route;
    const options = { descriptors: { hasRoom: () => false } } as never;
    const shared = { queue, timers, now: timers.now } as never;
    new DialService(request, route, options, shared).start();
    expect(refusals).toEqual(['internal-error']);
    expect([queue.dials, queue.waiting]).toEqual([0, 0]);
  });
});
