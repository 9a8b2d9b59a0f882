/** What the inspector shows of a client and of a relay, and when it opens. */
import type { Client } from '@underpass/client';
import type { Relay } from '@underpass/relay';
import { describe, expect, it, onTestFinished } from 'vitest';
import { inspectedClient, inspectedRelay } from '../../src/inspect/inspected-process.js';
import { openInspector } from '../../src/inspect/open-inspector.js';
import { pageFile } from '../../src/inspect/page-files.js';
import { VERSION } from '../../src/version.js';
import { recordingLog } from '../commands/recording-log.js';

const ABOUT = { suite: 'sodium', socket: 'native' };

describe('what is inspected', () => {
  it('of a client is its relay, with the target of each stream that it has', () => {
    const streams = [
      { id: 1, streamId: 0, target: { host: '::1', port: 80 } },
      { id: 2, streamId: undefined, target: { host: 'db', port: 5432 } }, // waits for the relay
      { id: 3, streamId: 4, target: { path: '/run/app.sock' } },
    ];
    const client = { peer: 'the peer', status: () => ({ ...ABOUT, streams }) } as unknown as Client;
    const { process, peers } = inspectedClient('home', client);
    expect(process).toEqual({ kind: 'client', name: 'home', version: VERSION, ...ABOUT });
    const [peer, ...others] = peers();
    expect([peer?.name, peer?.peer, others]).toEqual(['home', 'the peer', []]);
    expect([...(peer?.targets() ?? [])]).toEqual([
      [0, '[::1]:80'],
      [4, 'unix:/run/app.sock'],
    ]);
  });

  it('of a client are the streams that it has at the time', () => {
    let streams: unknown[] = [];
    const client = { peer: 'the peer', status: () => ({ ...ABOUT, streams }) } as unknown as Client;
    const [peer] = inspectedClient('home', client).peers();
    expect([...(peer?.targets() ?? [])]).toEqual([]);
    streams = [{ id: 1, streamId: 8, target: { host: 'db', port: 5432 } }];
    expect([...(peer?.targets() ?? [])]).toEqual([[8, 'db:5432']]);
  });

  it('of a relay is each of its peers, as they are now', () => {
    const members = new Set([
      { name: 'phone', peer: 'a', streams: [{ id: 8, target: { host: 'db', port: 1 } }] },
    ]);
    const relay = { members, status: () => ABOUT } as unknown as Relay;
    const { process, peers } = inspectedRelay('vps', relay);
    expect(process).toEqual({ kind: 'relay', name: 'vps', version: VERSION, ...ABOUT });
    members.add({ name: 'desk', peer: 'b', streams: [] });
    expect(peers().map(({ name, peer, targets }) => [name, peer, [...targets()]])).toEqual([
      ['phone', 'a', [[8, 'db:1']]],
      ['desk', 'b', []],
    ]);
  });
});

describe('the inspector', () => {
  it('is opened only if it is asked for, at the port that was given or any', async () => {
    const log = recordingLog();
    expect(await openInspector(undefined, log)).toBeUndefined();
    expect(log.lines).toEqual([]);
    for (const port of [true, 0] as const) {
      const server = await openInspector(port, log);
      onTestFinished(() => server?.close());
      expect(server?.port).toBeGreaterThan(0);
    }
    const first = await openInspector(0, log);
    onTestFinished(() => first?.close());
    await expect(openInspector(first?.port, log)).rejects.toMatchObject({ code: 'address-in-use' });
  });

  it('has the files of its page, and no others', () => {
    for (const name of ['page.map', '../page-files.js', 'toString', '__proto__'])
      expect(pageFile(name)).toBeUndefined();
    // The bundle carries them. Here they are missing, as in an incomplete package.
    for (const [name, file] of [
      ['', 'index.html'],
      ['page.js', 'page.js'],
      ['page.css', 'page.css'],
    ] as const) {
      expect(() => pageFile(name)).toThrow(file);
    }
  });
});
