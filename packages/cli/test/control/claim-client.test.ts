import { once } from 'node:events';
import type { BoundForward, Client } from '@underpass/client';
import type { Forward } from '@underpass/forward';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { claimClient } from '../../src/control/claim-client.js';
import { openControl } from '../../src/control/control-client.js';
import { recordingLog } from '../commands/recording-log.js';
import { temporaryDirectory } from '../temporary-directory.js';

const FACTS = {
  name: 'vps',
  endpoint: 'relay.example.org:51820',
  publicKey: new Uint8Array(32).fill(1),
  relayPublicKey: new Uint8Array(32).fill(2),
};

beforeEach(() => {
  vi.stubEnv('RUNTIME_DIRECTORY', undefined);
  vi.stubEnv('XDG_RUNTIME_DIR', temporaryDirectory());
  onTestFinished(() => void vi.unstubAllEnvs());
});

async function claimed() {
  const claim = await claimClient(FACTS, recordingLog());
  if (claim.kind !== 'claimed') throw new Error('another process has these keys');
  onTestFinished(() => claim.control.close());
  return claim.control;
}

/** The path of the socket, as a second process learns it. */
async function socketOfTaken(): Promise<string> {
  const claim = await claimClient(FACTS, recordingLog());
  if (claim.kind !== 'taken') throw new Error('the keys were free');
  return claim.socket;
}

describe('the claim to the keys of a client', () => {
  it('starts the forwards of a second process, and shows it what happens', async () => {
    const control = await claimed();
    const added: string[] = [];
    const client = {
      forwards: [],
      addForward: (spec: Forward): Promise<BoundForward> => {
        added.push(spec.text);
        return Promise.resolve({ spec, addresses: [] });
      },
      removeForward: () => Promise.resolve(true),
    };
    const asked = openControl({
      socket: await socketOfTaken(),
      method: 'POST',
      path: '/forwards',
      body: { forwards: [{ kind: 'local', text: '8080:localhost:80' }] },
    });
    control.serve(client as unknown as Client);
    const answer = await asked;
    onTestFinished(() => void answer.destroy());
    answer.setEncoding('utf8');
    let text = '';
    const untilLine = async (count: number) => {
      while (text.split('\n').length <= count) text += (await once(answer, 'data'))[0];
    };
    await untilLine(2);
    expect(added).toEqual(['8080:localhost:80']);
    control.onEvent({ type: 'resumed', silentMs: 5 });
    await untilLine(3);
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { type: 'listening', text: '8080:localhost:80' },
      { type: 'joined', pid: process.pid },
      { type: 'event', event: { type: 'resumed' } },
    ]);
  });
});
