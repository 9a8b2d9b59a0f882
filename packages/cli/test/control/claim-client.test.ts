import { once } from 'node:events';
import { request } from 'node:http';
import type { BoundForward, Client } from '@underpass/client';
import type { Forward } from '@underpass/forward';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { usageError } from '../../src/cli-error.js';
import { claimClient } from '../../src/control/claim-client.js';
import { openControl, readAnswer } from '../../src/control/control-client.js';
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

  /** Asks for a forward that `addForward` starts. */
  async function join(addForward: () => Promise<BoundForward>) {
    const control = await claimed();
    const client = { forwards: [], addForward, removeForward: () => Promise.resolve(true) };
    control.serve(client as unknown as Client);
    const answering = openControl({
      socket: await socketOfTaken(),
      method: 'POST',
      path: '/forwards',
      body: { forwards: [{ kind: 'local', text: '8080:localhost:80' }] },
    });
    return { control, answering };
  }

  it('answers a second process whose forward cannot start with the reason, and is not used by it', async () => {
    const { control, answering } = await join(() => Promise.reject(usageError('port 8080 is in use')));
    const answer = await answering;
    expect(answer.statusCode).toBe(409);
    await expect(readAnswer(answer, '')).rejects.toThrow('port 8080 is in use');
    await control.idle();
  });

  it('is used by a second process until that goes', async () => {
    const { control, answering } = await join(() => Promise.resolve(BOUND));
    const answer = await answering;
    await once(answer, 'data');
    let isIdle = false;
    const idle = control.idle().then(() => {
      isIdle = true;
    });
    await settled();
    expect(isIdle).toBe(false);
    answer.destroy();
    await idle;
  });

  it('is not used by a second process that goes before its forward has started', async () => {
    let bind: (bound: BoundForward) => void = () => undefined;
    const binding = new Promise<BoundForward>((resolve) => {
      bind = resolve;
    });
    let isAsked = false;
    const control = await claimed();
    const client = {
      forwards: [],
      addForward: () => {
        isAsked = true;
        return binding;
      },
      removeForward: () => Promise.resolve(true),
    };
    control.serve(client as unknown as Client);
    const left = request({ socketPath: await socketOfTaken(), method: 'POST', path: '/forwards' });
    left.on('error', () => undefined);
    left.end(JSON.stringify({ forwards: [{ kind: 'local', text: '8080:localhost:80' }] }));
    await vi.waitUntil(() => isAsked);
    left.destroy();
    await settled();
    bind(BOUND);
    await settled();
    await control.idle();
  });
});

const BOUND = { spec: { text: '8080:localhost:80' }, addresses: [] } as unknown as BoundForward;

/** Lets what happens on a local socket arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
