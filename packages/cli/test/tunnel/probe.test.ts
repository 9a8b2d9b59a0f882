/** A probe through a real tunnel (docs/spec/probe.md). */
import { describe, expect, it } from 'vitest';
import { runTunnel } from './in-process.js';

const MIB = 1024 * 1024;

describe('a probe', () => {
  it('reports what the relay knows, without any rule', async () => {
    const { client } = await runTunnel({ allow: [], forwards: [] });
    const outcome = await client.client.probe({ uploadBytes: 0, downloadBytes: 0 });
    expect(outcome).toMatchObject({ ok: true, report: { name: 'laptop' } });
    if (!outcome.ok) return;
    expect(outcome.report.address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(Math.abs(outcome.report.clockMs - Date.now())).toBeLessThan(60_000);
    const second = await client.client.probe({ uploadBytes: 0, downloadBytes: 0 });
    expect(second.ok && second.report.packetsSent).toBeGreaterThan(0); // at least the first answer
  });

  it.each([
    [4 * MIB, 0],
    [0, 4 * MIB],
    [MIB, MIB],
  ])('carries %d bytes to the relay and %d back', async (uploadBytes, downloadBytes) => {
    const { client, relay } = await runTunnel({ allow: [], forwards: [] });
    expect(await client.client.probe({ uploadBytes, downloadBytes })).toMatchObject({ ok: true });
    const { streamBytesSent, streamBytesReceived } = client.client.status().relay;
    expect(streamBytesSent).toBeGreaterThanOrEqual(uploadBytes);
    expect(streamBytesReceived).toBeGreaterThanOrEqual(downloadBytes);
    expect(client.client.status().relay.datagramBytes).toBeGreaterThan(1000);
    expect(relay.heard.of('refused')).toEqual([]);
  });

  it('is given up when the relay cannot be reached and the caller stops waiting', async () => {
    const { client, relay } = await runTunnel({ allow: [], forwards: [] });
    await relay.relay.close();
    const controller = new AbortController();
    const outcome = client.client.probe({ uploadBytes: 0, downloadBytes: 0 }, controller.signal);
    controller.abort();
    expect(await outcome).toEqual({ ok: false, reason: 'connection-lost' });
  });
});
