/** What a relay asks for when it starts, and what it says about the socket that it gets. The test plays the socket. */
import { type DatagramSocket, type Log, silentLog, UnderpassError } from '@underpass/runtime';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type RelayOptions, startRelay } from '../src/index.js';
import { startRelayWorker } from '../src/relay.js';
import { ownAddresses } from '../src/this-machine.js';
import { newKeys } from './bare-client.js';

const stage = vi.hoisted(() => ({ opened: [] as object[], mayAnswerFromAnotherAddress: false }));

vi.mock('@underpass/runtime', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  openUdpSocket: async (options: object) => {
    stage.opened.push(options);
    return socket();
  },
  adoptUdpSocket: (...parameters: unknown[]) => {
    stage.opened.push(parameters);
    return socket();
  },
}));

function socket(): DatagramSocket {
  return {
    address: { address: '::', port: 51820 },
    kind: 'plain',
    mayAnswerFromAnotherAddress: stage.mayAnswerFromAnotherAddress,
    listen: () => undefined,
    acquireBatch: () => undefined,
    close: async () => undefined,
  } as unknown as DatagramSocket;
}

beforeEach(() => {
  Object.assign(stage, { opened: [], mayAnswerFromAnotherAddress: false });
});

type Line = readonly [level: string, fields: object, text: string];

function recording() {
  const lines: Line[] = [];
  const note = (level: string) => (fields: object, text: string) => void lines.push([level, fields, text]);
  const log: Log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  return { log, lines };
}

/** The lines that a relay with these options logs when it starts. */
async function logOf(options: Partial<RelayOptions> = {}) {
  const { log, lines } = recording();
  const relay = await startRelay({
    listen: { port: 51820 },
    privateKey: newKeys().privateKey,
    peers: [],
    log,
    ...options,
  });
  onTestFinished(() => relay.close());
  return { log, lines };
}

describe('a relay that starts', () => {
  it('opens its port with the addresses of this machine at hand, and logs what it chooses', async () => {
    const listen = { host: '::', port: 51820 };
    const { log, lines } = await logOf({ listen, socket: 'plain' });
    expect(stage.opened).toEqual([{ ...listen, localAddresses: ownAddresses, kind: 'plain', log }]);
    expect(lines).toMatchObject([['debug', { event: 'suite' }, expect.stringContaining('crypto suite')]]);
  });

  it('as a worker, does so with the socket that it inherits', async () => {
    const { log, lines } = recording();
    const shared = { fd: 4, family: 'udp6' } as const;
    const relay = await startRelayWorker(
      { privateKey: newKeys().privateKey, peers: [], log },
      {
        shard: { index: 0, count: 2 },
        socket: shared,
        passOn: () => undefined,
        enrol: () => Promise.resolve({ status: 'not-allowed' }),
      },
    );
    onTestFinished(() => relay.close());
    expect(stage.opened).toEqual([[shared, log]]);
    expect(lines).toMatchObject([['debug', { event: 'suite' }, expect.stringContaining('crypto suite')]]);
  });

  it('warns if it may answer from another address than a client uses (spec path 6: "MUST say so when it starts")', async () => {
    stage.mayAnswerFromAnotherAddress = true;
    const { lines } = await logOf();
    expect(lines.filter(([level]) => level === 'warn')).toEqual([
      [
        'warn',
        { event: 'several-addresses' },
        expect.stringMatching(/several addresses.*install koffi.*'listen'/),
      ],
    ]);
  });

  it('opens nothing for peers or invites that cannot be', async () => {
    const { publicKey } = newKeys();
    const peer = { name: 'laptop', publicKey, allow: [] };
    const invite = { name: 'phone', publicKey, presharedKey: new Uint8Array(32) };
    const lists = [{ peers: [peer, peer] }, { peers: [peer], invites: [invite] }];
    for (const list of lists) {
      await expect(logOf({ ...list, log: silentLog })).rejects.toThrow(UnderpassError);
    }
    expect(stage.opened).toEqual([]);
  });
});
