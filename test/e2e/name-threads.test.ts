/** Names are resolved on a pool of threads, whose size is set before the program is loaded. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { howItEnds, startConnecting } from './tcp.js';
import { startTunnel } from './tunnel.js';

describe.skipIf(process.platform !== 'linux')('a relay that resolves a name', () => {
  it('has a thread for each of the 32 lookups that may run (spec forwarding 2.5)', async () => {
    const { client, relay } = await startTunnel({
      allow: ['*.invalid:80'],
      forwards: ['0:no-such-host.invalid:80'],
    });
    await howItEnds(startConnecting(client.ports[0] ?? 0));
    const status = readFileSync(`/proc/${relay.program.child.pid}/status`, 'utf8');
    // libuv uses at most half of its threads for slow work.
    expect(Number(/^Threads:\s*(\d+)$/m.exec(status)?.[1])).toBeGreaterThanOrEqual(64);
  });
});
