/** `underpass client -W`: one connection between standard input and output and a target, through a client of its own or
 *  through the one of another process. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Client, ClientEvent } from '@underpass/client';
import { TunnelError } from '@underpass/forward';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runStdio } from '../../src/commands/stdio.js';
import { runStdioThrough } from '../../src/commands/stdio-through.js';
import { type ControlServer, type DialRoute, startControlServer } from '../../src/control/control-server.js';
import { ExitCode } from '../../src/exit-code.js';
import { nobodyRuns } from './a-relay.js';
import { recordingLog } from './recording-log.js';

const stage = vi.hoisted(() => ({
  input: undefined as unknown as PassThrough,
  output: undefined as unknown as PassThrough,
  settle: (): void => undefined,
  settled: Promise.resolve() as Promise<void>,
  closed: 0,
  signals: [] as unknown[],
  stop: (): void => undefined,
}));
vi.mock('../../src/commands/stdio-streams.js', () => ({
  openStdio: () => ({
    input: stage.input,
    output: stage.output,
    settled: stage.settled,
    close: () => void stage.closed++,
  }),
}));
vi.mock('../../src/stop-signal.js', () => ({
  untilStopSignal: (signals: unknown) => {
    stage.signals.push(signals);
    return new Promise<void>((resolve) => {
      stage.stop = resolve;
    });
  },
}));

const TARGET = { host: 'example.com', port: 22 };
const PROBLEM: ClientEvent = {
  type: 'contact-problem',
  problem: { kind: 'cannot-send', host: '192.0.2.1', port: 51820, code: 'ENETUNREACH' },
};
const CONNECTED: ClientEvent = { type: 'connected', handshakeRttMs: 20 };

beforeEach(() => {
  Object.assign(stage, { input: new PassThrough(), output: new PassThrough(), closed: 0 });
  stage.signals.length = 0;
  stage.settled = new Promise((resolve) => {
    stage.settle = resolve;
  });
});
afterEach(() => void process.removeAllListeners('SIGHUP'));

const NOT_REACHED = new TunnelError('relay-not-reached', 'the relay was not reached');
const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
};

/** The two ends of a connection through the tunnel: what the program dials, and the target. */
function connection() {
  const toTarget = new PassThrough();
  const fromTarget = new PassThrough();
  let deliver = (): void => undefined;
  const delivered = new Promise<void>((resolve) => {
    deliver = resolve;
  });
  const socket = Object.assign(new PassThrough(), { delivered });
  // A duplex whose two directions are apart.
  socket._transform = (chunk, _encoding, done) => void toTarget.write(chunk, () => done());
  socket._flush = (done) => {
    toTarget.end();
    done();
  };
  fromTarget.on('data', (chunk) => socket.push(chunk));
  return { socket, toTarget, fromTarget, deliver };
}

/** A run over that connection. */
function running(untilUnused?: () => Promise<void>) {
  const { socket, toTarget, fromTarget, deliver } = connection();
  const did: string[] = [];
  const log = recordingLog();
  const client = {
    dial: (target: object, options: object) => {
      did.push(`dial ${JSON.stringify([target, options])}`);
      return socket;
    },
    close: async () => {
      await new Promise(setImmediate);
      did.push('close client');
    },
  } as unknown as Client;
  let happen = (_event: ClientEvent): void => undefined;
  const ended = runStdio(
    TARGET,
    log,
    (onEvent) => {
      happen = onEvent;
      return Promise.resolve(client);
    },
    untilUnused,
  ).then(
    () => did.push('ended'),
    (error: Error) => {
      did.push('failed');
      throw error;
    },
  );
  ended.catch(() => undefined);
  return {
    socket,
    toTarget,
    fromTarget,
    deliver,
    did,
    log,
    ended,
    happen: (event: ClientEvent) => happen(event),
  };
}

/** Runs a connection that fails after these events, and returns what the user reads. */
async function failureAfter(events: readonly ClientEvent[], failure: Error = NOT_REACHED): Promise<string> {
  const { socket, ended, happen, log, did } = running();
  for (const event of events) happen(event);
  await turns();
  socket.destroy(failure);
  const message = await ended.then(
    () => 'no failure',
    (error: Error) => error.message,
  );
  expect(log.lines).toHaveLength(events.length);
  expect(did.slice(1)).toEqual(['close client', 'failed']);
  expect(stage.closed).toBeGreaterThan(0);
  return message;
}

describe('one connection through standard input and output', () => {
  it('explains that the relay was not reached by the last problem', async () => {
    expect(await failureAfter([PROBLEM])).toMatch(/^example\.com:22 was not reached, because /);
    expect(await failureAfter([PROBLEM, { type: 'resumed', silentMs: 1 }])).toContain(
      ', because this machine ',
    );
  });

  it('does not explain it by a problem from before a contact', async () => {
    expect(await failureAfter([PROBLEM, CONNECTED])).toBe('the relay was not reached');
  });

  it('explains no other failure by a problem of contact', async () => {
    const refused = new TunnelError('connection-refused', 'example.com:22 refused the connection');
    expect(await failureAfter([PROBLEM], refused)).toBe('example.com:22 refused the connection');
    const bug = new TypeError('undefined is not a function');
    expect(await failureAfter([PROBLEM], bug)).toBe('undefined is not a function');
  });

  it('carries both directions, and ends when the target has everything and the output is written', async () => {
    const { socket, toTarget, fromTarget, deliver, did, ended } = running();
    await turns();
    expect(did).toEqual([`dial ${JSON.stringify([TARGET, { allowHalfOpen: true }])}`]);
    expect(stage.signals).toEqual([['SIGINT', 'SIGTERM']]);
    stage.input.end('request');
    fromTarget.write('answer');
    await turns();
    expect([String(toTarget.read()), String(stage.output.read())]).toEqual(['request', 'answer']);
    socket.destroy();
    await turns();
    expect(did.slice(1)).toEqual([]); // the relay has not got everything
    deliver();
    await turns();
    expect(did.slice(1)).toEqual([]); // the output is not written
    expect(stage.closed).toBe(0);
    stage.settle();
    await ended;
    expect(did.slice(1)).toEqual(['close client', 'ended']);
    expect(stage.closed).toBeGreaterThan(0);
  });

  it('does not end before the relay has everything, although its output is written', async () => {
    const { socket, deliver, did, ended } = running();
    stage.settle();
    await turns();
    socket.destroy();
    await turns();
    expect(did.slice(1)).toEqual([]);
    deliver();
    await ended;
    expect(did.slice(1)).toEqual(['close client', 'ended']);
  });

  it('goes on while other processes use its client, without its input, until it is stopped', async () => {
    for (const isStopped of [false, true]) {
      stage.closed = 0;
      let leave = (): void => undefined;
      const unused = new Promise<void>((resolve) => {
        leave = resolve;
      });
      const { socket, deliver, did, ended } = running(() => unused);
      stage.settle();
      deliver();
      await turns();
      socket.destroy();
      await turns();
      expect([did.slice(1), stage.closed]).toEqual([[], 1]);
      if (isStopped) stage.stop();
      else leave();
      await ended;
      expect(did.slice(1)).toEqual(['close client', 'ended']);
    }
  });

  it.each<[string, (run: ReturnType<typeof running>) => unknown]>([
    ['a signal stops it', () => stage.stop()],
    ['its terminal hangs up', () => process.emit('SIGHUP')],
    ['nobody reads its output', () => stage.output.destroy(new Error('EPIPE'))],
  ])('ends without a failure when %s', async (what, happen) => {
    const run = running();
    await turns();
    happen(run);
    // Everything that was read is written, unless nobody wants it any more.
    if (what.startsWith('nobody')) stage.settle();
    await run.ended;
    expect(run.did.slice(1)).toEqual(['close client', 'ended']);
    if (!what.startsWith('a signal')) expect(run.socket.destroyed).toBe(true);
  });

  it('ends its direction when the input fails', async () => {
    const { toTarget } = running();
    await turns();
    toTarget.resume();
    stage.input.destroy(new Error('EIO'));
    await once(toTarget, 'end');
  });
});

describe('one connection through the client of another process', () => {
  beforeEach(() => nobodyRuns());

  const servers: ControlServer[] = [];
  /** The other process, which answers with what a test has it say. */
  async function otherClient(dial: DialRoute) {
    const server = await startControlServer('client-0.sock', {}, { dial });
    servers.push(server);
    onTestFinished(() => server.close());
    return server.file;
  }
  const accept = (response: ServerResponse) => {
    response.writeHead(200);
    response.flushHeaders();
  };

  it('carries both directions, each to its end', async () => {
    let isReceived = (_body: string): void => undefined;
    const received = new Promise<string>((resolve) => {
      isReceived = resolve;
    });
    let dialled = '';
    const file = await otherClient(async (target, request, response) => {
      dialled = target;
      accept(response);
      response.end('answer'); // the other direction goes on
      let body = '';
      for await (const chunk of request) body += String(chunk);
      isReceived(body);
    });
    let hasEnded = false;
    const ended = runStdioThrough(file, TARGET).then(() => {
      hasEnded = true;
    });
    await once(stage.output, 'readable');
    expect(String(stage.output.read())).toBe('answer');
    stage.output.resume();
    await turns();
    expect([dialled, hasEnded]).toEqual(['example.com:22', false]);
    stage.input.end('request');
    stage.settle();
    await ended;
    expect([await received, stage.closed]).toEqual(['request', 1]);
    expect(stage.signals).toEqual([['SIGINT', 'SIGTERM', 'SIGHUP']]);
  });

  it('fails if the connection breaks off after the target has ended its direction', async () => {
    const file = await otherClient(async (_target, request, response) => {
      request.resume();
      accept(response);
      response.end();
    });
    const ended = runStdioThrough(file, TARGET);
    ended.catch(() => undefined);
    stage.output.resume();
    await once(stage.output, 'end');
    stage.input.write('request');
    await turns();
    for (const { close } of servers) close();
    await expect(ended).rejects.toMatchObject({
      exitCode: ExitCode.failure,
      message: 'the connection to example.com:22 broke off',
      hint: 'the target reset it, or the client that carried it has ended or lost its relay',
    });
  });

  it('waits until its output is written', async () => {
    const file = await otherClient(async (_target, request, response) => {
      accept(response);
      response.end();
      request.resume();
    });
    let hasEnded = false;
    const ended = runStdioThrough(file, TARGET).then(() => {
      hasEnded = true;
    });
    stage.output.resume();
    stage.input.end();
    await once(stage.output, 'end');
    await turns();
    expect(hasEnded).toBe(false);
    stage.settle();
    await ended;
  });

  it('fails with the reason for which the target was refused', async () => {
    const file = await otherClient(async (_target, _request, _response, refuse) => refuse('not allowed'));
    await expect(runStdioThrough(file, TARGET)).rejects.toMatchObject({
      exitCode: ExitCode.failure,
      message: 'not allowed',
    });
    expect(stage.closed).toBe(1);
  });

  it('fails if the connection breaks off', async () => {
    const file = await otherClient(async (_target, _request, response) => {
      accept(response);
      response.write('half', () => response.destroy());
    });
    stage.output.resume();
    await expect(runStdioThrough(file, TARGET)).rejects.toMatchObject({
      exitCode: ExitCode.failure,
      message: 'the connection to example.com:22 broke off',
    });
  });

  it('fails if nobody answers any more', async () => {
    await expect(runStdioThrough('/nowhere/client.sock', TARGET)).rejects.toMatchObject({
      message: 'nobody answers at /nowhere/client.sock',
    });
  });

  it('lets go of the target when nobody reads the output, which is no failure', async () => {
    let isGone: Promise<unknown> = Promise.resolve();
    const file = await otherClient(async (_target, request, response) => {
      request.on('error', () => undefined);
      isGone = once(response, 'close');
      accept(response);
      response.write('x');
    });
    const ended = runStdioThrough(file, TARGET);
    await once(stage.output, 'readable');
    stage.output.destroy(new Error('EPIPE'));
    await ended;
    await isGone;
  });

  it('ends its direction when the input fails, and all of it at a signal', async () => {
    let isGone: Promise<unknown> = Promise.resolve();
    const file = await otherClient(async (_target, request, response) => {
      isGone = once(response, 'close');
      accept(response);
      for await (const _ of request);
      response.write('the end');
    });
    const ended = runStdioThrough(file, TARGET);
    stage.input.destroy(new Error('EIO'));
    await once(stage.output, 'readable');
    expect(String(stage.output.read())).toBe('the end');
    stage.stop();
    await ended;
    expect(stage.closed).toBe(1);
    await isGone; // so that the target is let go of
  });
});
