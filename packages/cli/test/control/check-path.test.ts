/** Requests to a control socket that have the other process do something: try a target, probe the path, carry a connection. */
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex, PassThrough } from 'node:stream';
import type { Client } from '@underpass/client';
import { parseAnyTarget, type Target, TunnelError } from '@underpass/forward';
import { describe, expect, it, vi } from 'vitest';
import {
  checkTarget,
  PROBE_ANSWER_MS,
  probeOptionsIn,
  probePath,
  targetIn,
} from '../../src/control/check-path.js';
import type { ControlExchange } from '../../src/control/control-server.js';
import { dialThrough } from '../../src/control/dial-through.js';
import { EventFeed } from '../../src/control/event-feed.js';

const MAX_BYTES = 64 * 1024 * 1024;
const TARGET = parseAnyTarget('localhost:80') as Target;

describe('trying a target', () => {
  class FakeSocket extends EventEmitter {
    isDestroyed = false;
    destroy(): void {
      this.isDestroyed = true;
    }
  }
  it.each<[string, (socket: FakeSocket) => void, string, boolean]>([
    ['opens it, and closes it at once', (socket) => socket.emit('connect'), 'opened', true],
    [
      'says why the relay refuses it',
      (socket) => socket.emit('error', new TunnelError('not-allowed', 'no')),
      'not-allowed',
      false,
    ],
    [
      'has no better word for another failure',
      (socket) => socket.emit('error', new Error('?')),
      'internal-error',
      false,
    ],
    ['says that the connection was lost', (socket) => socket.emit('close'), 'connection-lost', false],
  ])('%s', async (_what, act, outcome, isDestroyed) => {
    const socket = new FakeSocket();
    const dialled: Target[] = [];
    const client = {
      dial: (target: Target) => {
        dialled.push(target);
        return socket;
      },
      tryFlow: () => expect.unreachable(),
    };
    const tried = checkTarget(client as unknown as Client, TARGET);
    act(socket);
    expect([await tried, socket.isDestroyed, dialled]).toEqual([outcome, isDestroyed, [TARGET]]);
  });

  it('of UDP asks the relay alone', async () => {
    const flows: unknown[] = [];
    const client = {
      dial: () => expect.unreachable(),
      tryFlow: async (target: unknown) => {
        flows.push(target);
        return 'opened';
      },
    };
    const target = parseAnyTarget('localhost:53/udp') as Target;
    expect(target).toMatchObject({ protocol: 'udp' });
    expect(await checkTarget(client as unknown as Client, target)).toBe('opened');
    expect(flows).toEqual([target]);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'localhost:80'],
    ['a target that is no text', { target: 80 }],
    ['a target without a port', { target: 'localhost' }],
  ])('is refused for %s', (_what, body) => {
    expect(() => targetIn(body)).toThrow(/expected/);
  });

  it('takes a target as the command line does', () => {
    expect(targetIn({ target: 'localhost:80' })).toEqual(TARGET);
  });
});

describe('a probe', () => {
  it.each([
    [0, 0],
    [MAX_BYTES, MAX_BYTES],
  ])('may have %i and %i bytes', (uploadBytes, downloadBytes) => {
    expect(probeOptionsIn({ uploadBytes, downloadBytes })).toEqual({ uploadBytes, downloadBytes });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['one size', { uploadBytes: 1 }],
    ['the other size', { downloadBytes: 1 }],
    ['less than nothing', { uploadBytes: -1, downloadBytes: 1 }],
    ['half a byte', { uploadBytes: 1, downloadBytes: 0.5 }],
    ['too much to send', { uploadBytes: MAX_BYTES + 1, downloadBytes: 1 }],
    ['too much to receive', { uploadBytes: 1, downloadBytes: MAX_BYTES + 1 }],
  ])('is refused with %s', (_what, body) => {
    expect(() => probeOptionsIn(body)).toThrow(
      `expected {"uploadBytes", "downloadBytes"}, each at most ${MAX_BYTES}`,
    );
  });

  it('has a limited time', async () => {
    const timeout = vi.spyOn(AbortSignal, 'timeout');
    const options = { uploadBytes: 1, downloadBytes: 2 };
    const probe = vi.fn(async () => ({ ok: true }));
    await probePath({ probe } as unknown as Client, options);
    expect(timeout.mock.calls).toEqual([[PROBE_ANSWER_MS]]);
    expect(probe).toHaveBeenCalledWith(options, timeout.mock.results[0]?.value);
    timeout.mockRestore();
  });
});

describe('a connection for another process', () => {
  /** The target's end, and the two directions of the exchange. */
  function setUp(target = 'localhost:80') {
    const toTarget: Buffer[] = [];
    const socket = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        toTarget.push(chunk);
        done();
      },
    });
    const exchange = new PassThrough();
    const request = Object.assign(new PassThrough(), { socket: exchange, complete: false });
    const heads: unknown[] = [];
    const flushed: string[] = [];
    const state = { headersSent: false };
    const response = Object.assign(new PassThrough(), {
      writeHead: (...head: unknown[]) => {
        state.headersSent = true;
        heads.push(head);
      },
      flushHeaders: () => flushed.push('flushed'),
    });
    Object.defineProperty(response, 'headersSent', { get: () => state.headersSent });
    const refusals: string[] = [];
    const dial = vi.fn(() => socket);
    dialThrough(
      { dial } as unknown as Client,
      target,
      request as unknown as IncomingMessage,
      response as unknown as ServerResponse,
      (error) => void refusals.push(error),
    );
    return { socket, request, exchange, response, heads, flushed, refusals, dial, toTarget };
  }
  const settle = () => new Promise(setImmediate);

  it('carries both directions, and each ends by itself', async () => {
    const { socket, request, response, heads, flushed, dial, toTarget, refusals } = setUp();
    expect(dial).toHaveBeenCalledWith(TARGET, { allowHalfOpen: true });
    request.end('question');
    socket.emit('connect');
    expect([heads, flushed]).toEqual([[[200, { 'content-type': 'application/octet-stream' }]], ['flushed']]);
    socket.push('answer');
    socket.push(null);
    await settle();
    expect(String(response.read())).toBe('answer');
    expect(String(Buffer.concat(toTarget))).toBe('question');
    await settle();
    expect([response.writableFinished, socket.writableFinished, refusals]).toEqual([true, true, []]);
  });

  it('is refused for a target that is none, and before it opens with the reason', () => {
    const wrong = setUp('localhost');
    expect([wrong.refusals.length, wrong.dial.mock.calls.length]).toEqual([1, 0]);
    const { socket, refusals, response } = setUp();
    socket.destroy(new Error('not allowed'));
    return settle().then(() => {
      expect([refusals, response.destroyed]).toEqual([['not allowed'], false]);
    });
  });

  it('that fails later breaks the exchange off, so that no direction looks complete', async () => {
    const { socket, refusals, response, exchange } = setUp();
    socket.emit('connect');
    socket.destroy(new Error('lost'));
    await settle();
    expect([refusals, exchange.destroyed, response.writableFinished]).toEqual([[], true, false]);
  });

  it.each(['request', 'response', 'exchange'] as const)(
    'ends when the other process goes: %s',
    async (which) => {
      const parts = setUp();
      parts.socket.emit('connect');
      parts[which].on('error', () => undefined);
      if (which === 'request') parts.request.destroy(new Error('gone'));
      else parts[which].destroy();
      await settle();
      expect(parts.socket.destroyed).toBe(true);
    },
  );

  it('whose answer is complete still takes what the other process sends', async () => {
    const { socket, response, request, exchange } = setUp();
    socket.emit('connect');
    socket.push(null);
    response.resume();
    await settle();
    await settle();
    response.destroy();
    request.complete = true; // all of it has come, but has not been passed on yet
    exchange.destroy();
    await settle();
    expect(socket.destroyed).toBe(false);
  });
});

describe('the events of a process', () => {
  function follower() {
    const abort = new AbortController();
    const sent: object[] = [];
    const exchange: ControlExchange = {
      send: (value) => void sent.push(value as object),
      end: () => undefined,
      signal: abort.signal,
    };
    return { abort, sent, exchange };
  }

  it('go to everybody who follows them, from the start of that until they leave', () => {
    const feed = new EventFeed<{ readonly n: number }>();
    const [first, second, gone] = [follower(), follower(), follower()];
    gone.abort.abort();
    feed.add(gone.exchange);
    feed.add(first.exchange);
    feed.onEvent({ n: 1 });
    feed.add(second.exchange);
    feed.onEvent({ n: 2 });
    first.abort.abort();
    feed.onEvent({ n: 3 });
    const following = { type: 'following', pid: process.pid };
    expect([first.sent, second.sent, gone.sent]).toEqual([
      [following, { n: 1 }, { n: 2 }],
      [following, { n: 2 }, { n: 3 }],
      [],
    ]);
  });
});
