import type { Snapshot } from '@underpass/trace';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Feed } from '../../src/live/feed.js';

/** A page that is visible until the test hides it, and the answers of the process. */
function open() {
  const asked: string[] = [];
  const streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  vi.stubGlobal('fetch', (path: string) => {
    asked.push(path);
    return Promise.resolve(
      new Response(new ReadableStream({ start: (stream) => void streams.push(stream) })),
    );
  });
  onTestFinished(() => void vi.unstubAllGlobals());
  const page = {
    document: { visibilityState: 'visible', addEventListener: () => undefined },
    setTimeout: () => 0,
    clearTimeout: () => undefined,
  };
  const feed = new Feed(page as never);
  /** Answers the newest request with a snapshot, and waits until the page shows it. */
  const show = async (name: string, nowMs: number): Promise<void> => {
    await vi.waitUntil(() => streams.length === asked.length);
    const stats = { streamBytesSent: 0, streamBytesReceived: 0, datagramsSent: nowMs, datagramsReceived: 0 };
    const snapshot = { nowMs, peer: { name, stats }, datagrams: [] };
    streams.at(-1)?.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(snapshot)}\n\n`));
    await vi.waitUntil(() => feed.snapshot.value?.nowMs === nowMs);
  };
  return { feed, asked, show, shown: () => feed.snapshot.value as Snapshot };
}

describe('the feed of the inspector', () => {
  it('stays with the peer that was shown first', async () => {
    const { feed, asked, show } = open();
    expect(asked).toEqual(['snapshots']);
    await show('vps', 1000);
    expect(feed.chosen.value).toBe('vps');
    feed.togglePause();
    feed.togglePause();
    expect(asked.slice(1)).toEqual(['snapshots?peer=vps']);
  });

  it('remembers nothing of one peer when another is chosen', async () => {
    const { feed, asked, show } = open();
    await show('vps', 1000);
    await show('vps', 2000);
    expect([feed.history.plots.seconds, feed.history.passed]).toEqual([[0, 1], 1000]);
    feed.choose('a peer');
    expect(asked.at(-1)).toBe('snapshots?peer=a%20peer');
    await show('a peer', 5000);
    await show('a peer', 5500);
    expect([feed.history.plots.seconds, feed.history.passed]).toEqual([[0, 0.5], 500]);
  });
});
