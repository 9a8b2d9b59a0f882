import { PassThrough } from 'node:stream';
import type { Client, ClientEvent } from '@underpass/client';
import { TunnelError } from '@underpass/forward';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runStdio } from '../../src/commands/stdio.js';
import { recordingLog } from './recording-log.js';

vi.mock('../../src/commands/stdio-streams.js', async () => {
  const { PassThrough } = await import('node:stream');
  return {
    openStdio: () => ({
      input: new PassThrough(),
      output: new PassThrough(),
      settled: Promise.resolve(),
      close: () => undefined,
    }),
  };
});
vi.mock('../../src/stop-signal.js', () => ({ untilStopSignal: () => new Promise(() => undefined) }));

const TARGET = { host: 'example.com', port: 22 };
const PROBLEM: ClientEvent = {
  type: 'contact-problem',
  problem: { kind: 'cannot-send', host: '192.0.2.1', port: 51820, code: 'ENETUNREACH' },
};
const CONNECTED: ClientEvent = { type: 'connected', handshakeRttMs: 20 };

afterEach(() => void process.removeAllListeners('SIGHUP'));

const NOT_REACHED = new TunnelError('relay-not-reached', 'the relay was not reached');

/** Runs a connection that fails after these events, and returns what the user reads. */
async function failureAfter(events: readonly ClientEvent[], failure = NOT_REACHED): Promise<string> {
  const log = recordingLog();
  const socket = Object.assign(new PassThrough(), { delivered: Promise.resolve() });
  const client = { dial: () => socket, close: () => Promise.resolve() } as unknown as Client;
  const ended = runStdio(TARGET, log, (onEvent) => {
    for (const event of events) onEvent(event);
    setImmediate(() => socket.destroy(failure));
    return Promise.resolve(client);
  });
  return ended.then(
    () => 'no failure',
    (error: Error) => error.message,
  );
}

describe('one connection through standard input and output', () => {
  it('explains that the relay was not reached by the last problem', async () => {
    expect(await failureAfter([PROBLEM])).toMatch(/^example\.com:22 was not reached, because /);
  });

  it('does not explain it by a problem from before a contact', async () => {
    expect(await failureAfter([PROBLEM, CONNECTED])).toBe('the relay was not reached');
  });

  it('explains no other failure by a problem of contact', async () => {
    const refused = new TunnelError('connection-refused', 'example.com:22 refused the connection');
    expect(await failureAfter([PROBLEM], refused)).toBe('example.com:22 refused the connection');
  });
});
