import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DescriptorGuard } from '../../src/descriptor-guard.js';
import { MAX_LISTENERS_PER_PEER, VISITOR_TIMEOUT_MS } from '../../src/forward-constants.js';
import { IncomingRequest } from '../../src/incoming-request.js';
import { decodeRequest, encodeRequest, encodeStatus, REQUEST_STATUSES } from '../../src/request.js';
import { type ListenRule, parseListenRule } from '../../src/reverse/listen-rules.js';
import { PeerListeners } from '../../src/reverse/peer-listeners.js';
import { decodeListenAnswer } from '../../src/reverse/reverse-requests.js';
import { SocketWatch } from '../../src/socket-watch.js';
import { FakeStream } from '../fake-stream.js';
import { FakeTimers } from '../fake-timers.js';
import { connectTo, howItEnds, listen, readAll } from '../sockets.js';

function listenRules(...texts: readonly string[]): ListenRule[] {
  return texts.map((text) => parseListenRule(text) as ListenRule);
}

function setUp(...allowListen: readonly string[]) {
  const timers = new FakeTimers();
  const handlers = new Map<FakeStream, StreamHandler>();
  const heard: string[] = [];
  /** Streams that the relay opened to the client, and who waits for the next. */
  const opened: FakeStream[] = [];
  let wake: (() => void) | undefined;
  const client = { isAway: false, permits: true, hasDescriptors: true };
  let rules = listenRules(...allowListen);
  let streams = 0;
  const tunnel = {
    attach: (stream: unknown, handler: StreamHandler) => void handlers.set(stream as FakeStream, handler),
    wake: () => undefined,
  };
  const listeners = new PeerListeners({
    tunnel,
    openStream: () => {
      if (!client.permits) return undefined;
      const stream = new FakeStream(2 * opened.length + 1);
      opened.push(stream);
      wake?.();
      return stream;
    },
    rules: () => rules,
    isAway: () => client.isAway,
    holderOf: () => undefined,
    watch: new SocketWatch(timers),
    descriptors: new DescriptorGuard({
      onShortage: () => undefined,
      now: timers.now,
      canOpen: () => client.hasDescriptors,
    }),
    timers,
    observer: {
      onListening: () => heard.push('listening'),
      onListenerEnd: (_listener, reason) => heard.push(`end: ${reason}`),
      onVisitor: (_listener, id) => heard.push(`visitor ${id}`),
      onVisitorRefused: (_listener, id, _from, status) => heard.push(`visitor ${id} refused: ${status}`),
      onVisitorEnd: (_listener, id, _from, { clean }) => heard.push(`visitor ${id} end: ${clean}`),
    },
  });
  onTestFinished(() => listeners.close('the test is over'));
  /** The next stream that the relay opens to the client. */
  const nextStream = async (): Promise<{ stream: FakeStream; answer: (...chunks: Chunk[]) => void }> => {
    const index = taken++;
    while (opened[index] === undefined) await new Promise<void>((resolve) => (wake = resolve));
    const stream = opened[index];
    await stream.until(({ written }) => written.length > 0);
    const answer = (...chunks: Chunk[]): void => {
      for (const chunk of chunks) stream.arrive(chunk);
      handlers.get(stream)?.onReadable?.();
    };
    return { stream, answer };
  };
  let taken = 0;
  /** Sends a LISTEN request, and resolves with its answer. */
  const ask = async (bind: string, port: number) => {
    const stream = new FakeStream(2 * streams++);
    const advice: string[] = [];
    const incoming = new IncomingRequest(stream, {
      tunnel,
      timers,
      serve: (request, self) => listeners.serve(request as never, self),
      onDecided: () => undefined,
      onRefused: (_id, _request, _status, why) => advice.push(why),
    });
    stream.arrive(encodeRequest({ kind: 'listen', bind, port }));
    incoming.start();
    await stream.until(({ written, finished }) => finished || written.length === 3);
    const status = REQUEST_STATUSES[stream.written[0] as number];
    return {
      stream,
      handler: incoming as StreamHandler,
      status,
      advice: advice[0],
      port: decodeListenAnswer(stream.written.subarray(1)) ?? 0,
    };
  };
  const setRules = (...texts: readonly string[]): void => {
    rules = listenRules(...texts);
    listeners.onRulesChanged();
  };
  return { listeners, ask, nextStream, opened, handlers, timers, heard, client, setRules };
}

type Chunk = Uint8Array | string;

describe('a visitor', () => {
  it('is over when its stream is lost before the client has answered, and is not refused later', async () => {
    const { ask, nextStream, handlers, timers, heard } = setUp('*');
    const { port } = await ask('localhost', 0);
    const visitor = connectTo(port);
    const { stream } = await nextStream();
    handlers.get(stream)?.onReset?.(StreamErrorCode.connectionLost);
    expect(await howItEnds(visitor)).toBe('ECONNRESET');
    // The relay's own end closes a few turns of the event loop later.
    for (let i = 0; i < 100 && timers.pending > 0; i++) await new Promise(setImmediate);
    timers.advance(2 * VISITOR_TIMEOUT_MS);
    expect(heard.filter((line) => line.startsWith('visitor'))).toEqual([]);
  });
});

describe('a request to listen', () => {
  it('is answered with the port, and ends with its stream (spec reverse 2: "MUST close the listener at once")', async () => {
    const { ask, heard, listeners } = setUp('*');
    const first = await ask('localhost', 0);
    expect([first.status, first.port > 0]).toEqual(['opened', true]);
    expect(listeners.open.map(({ place }) => place)).toEqual([{ bind: 'localhost', port: first.port }]);
    expect((await ask('127.0.0.1', first.port)).status).toBe('address-in-use');
    first.stream.arriveFin();
    first.handler.onReadable?.();
    expect(first.stream.finished).toBe(true);
    expect(listeners.open).toEqual([]);

    // The port is free at once, also for a client that restarts (spec reverse 4).
    const second = await ask('localhost', first.port);
    expect([second.status, second.port]).toEqual(['opened', first.port]);
    second.handler.onReset?.(StreamErrorCode.connectionLost);
    const third = await ask('127.0.0.1', first.port);
    expect(third.status).toBe('opened');
    third.handler.onStopped?.(StreamErrorCode.cancelled);
    expect(third.stream.resetCode).toBe(StreamErrorCode.cancelled);
    expect(await howItEnds(connectTo(first.port))).toBe('ECONNREFUSED');
    expect(heard.filter((line) => line.startsWith('end'))).toEqual([
      'end: the client closed it',
      'end: its client is gone',
      'end: the client closed it',
    ]);
  });

  it('that no rule permits is refused with the rule that would (spec reverse 3)', async () => {
    const { ask } = setUp('8080');
    expect(await ask('*', 8080)).toMatchObject({
      status: 'not-allowed',
      advice: 'no listen rule allows *:8080; to allow it, add *:8080 to allow_listen',
    });
  });

  it('for an address of another machine is refused', async () => {
    const { ask } = setUp('192.0.2.1:*');
    expect((await ask('192.0.2.1', 8080)).status).toBe('unreachable');
  });

  it('for port 0 skips ports that are taken', async () => {
    const { port } = await listen();
    const free = await listen();
    free.server.close();
    await once(free.server, 'close');
    const { ask } = setUp(`127.0.0.1:${port}`, `127.0.0.1:${free.port}`);
    expect(await ask('127.0.0.1', 0)).toMatchObject({ status: 'opened', port: free.port });
    expect(await ask('127.0.0.1', 0)).toMatchObject({ status: 'address-in-use' });
  });

  it('for a unix socket creates it for this user, and removes it at the end (spec reverse 2)', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'underpass-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = path.join(directory, 'web.sock');
    const { ask, nextStream, heard } = setUp(`unix:${file}`);
    expect((await ask(`${file}2`, 0)).status).toBe('not-allowed');
    const { status, port, handler, stream } = await ask(file, 0);
    expect([status, port, statSync(file).mode & 0o777]).toEqual(['opened', 0, 0o600]);
    const visitor = connect({ path: file });
    onTestFinished(() => void visitor.destroy());
    const incoming = await nextStream();
    expect(decodeRequest(incoming.stream.written)).toMatchObject({
      value: { kind: 'incoming', listener: stream.id, host: 'unix', port: 0 },
    });
    incoming.answer(encodeStatus('opened'), 'welcome');
    expect(String((await once(visitor, 'data'))[0])).toBe('welcome');
    expect((await ask(file, 0)).status).toBe('address-in-use');
    handler.onReset?.(StreamErrorCode.connectionLost);
    expect(existsSync(file)).toBe(false);
    expect(heard).toContain('end: its client is gone');
  });

  it('beyond the limit is refused, and an ended listener makes room (spec reverse 7)', async () => {
    const { ask, listeners } = setUp('*');
    const all = await Promise.all(Array.from({ length: MAX_LISTENERS_PER_PEER }, () => ask('127.0.0.1', 0)));
    expect(listeners.open.length).toBe(MAX_LISTENERS_PER_PEER);
    expect(await ask('127.0.0.1', 0)).toMatchObject({
      status: 'too-many-streams',
      advice: 'a peer can have at most 128 listeners',
    });
    all[0]?.handler.onReset?.(StreamErrorCode.cancelled);
    expect((await ask('127.0.0.1', 0)).status).toBe('opened');
  });
});

describe('a visitor', () => {
  it('is announced to the client with its bytes, and carried (spec reverse 5)', async () => {
    const { ask, nextStream, handlers, heard } = setUp('*');
    await ask('127.0.0.1', 0);
    const { port, stream: listener } = await ask('127.0.0.1', 0);
    const visitor = connectTo(port);
    visitor.write('hello');
    const { stream, answer } = await nextStream();
    await once(visitor, 'connect');
    const request = decodeRequest(stream.written);
    expect(request).toMatchObject({
      value: { kind: 'incoming', listener: listener.id, host: '127.0.0.1', port: visitor.localPort },
    });
    const start = request.ok ? request.bytesRead : 0;
    await stream.until(({ written }) => String(written.subarray(start)) === 'hello');
    answer(encodeStatus('opened'), 'welcome');
    visitor.end();
    await stream.until(({ finished }) => finished);
    stream.arriveFin();
    handlers.get(stream)?.onReadable?.();
    expect(String(await readAll(visitor))).toBe('welcome');
    await until(() => heard.at(-1) === 'visitor 1 end: true');
    expect(heard.slice(2)).toEqual(['visitor 1', 'visitor 1 end: true']);
  });

  it('survives a listener that its client has ended', async () => {
    const { ask, nextStream } = setUp('*');
    const { port, handler, stream: listener } = await ask('127.0.0.1', 0);
    const visitor = connectTo(port);
    const { stream, answer } = await nextStream();
    answer(encodeStatus('opened'));
    listener.arriveFin();
    handler.onReadable?.();
    answer('still here');
    expect(String((await once(visitor, 'data'))[0])).toBe('still here');
    expect(stream.resetCode).toBeUndefined();
  });

  it.each(['not-allowed', 'connection-refused'] as const)(
    'is reset when the client answers %s (spec reverse 5: "the relay MUST reset the")',
    async (status) => {
      const { ask, nextStream, heard } = setUp('*');
      const { port } = await ask('127.0.0.1', 0);
      const visitor = connectTo(port);
      const { answer } = await nextStream();
      answer(encodeStatus(status));
      expect(await howItEnds(visitor)).toBe('ECONNRESET');
      expect(heard.at(-1)).toBe(`visitor 1 refused: ${status}`);
    },
  );

  it('is reset when the client ends the stream before a status (spec reverse 5: "the relay MUST reset the")', async () => {
    const { ask, nextStream, handlers } = setUp('*');
    const { port } = await ask('127.0.0.1', 0);
    const visitor = connectTo(port);
    const { stream } = await nextStream();
    stream.arriveFin();
    handlers.get(stream)?.onReadable?.();
    expect(await howItEnds(visitor)).toBe('ECONNRESET');
  });

  it('is reset after 30 s without a status, with or without a place (spec reverse 6: "the relay MUST reset it")', async () => {
    const { ask, nextStream, timers, client, heard, opened } = setUp('*');
    const { port } = await ask('127.0.0.1', 0);
    const visitor = connectTo(port);
    const { stream } = await nextStream();
    client.permits = false;
    const waiting = connectTo(port);
    await once(waiting, 'connect');
    await until(() => timers.pending >= 2);
    timers.advance(VISITOR_TIMEOUT_MS - 1);
    expect(stream.resetCode).toBeUndefined();
    timers.advance(1);
    expect(await Promise.all([visitor, waiting].map(howItEnds))).toEqual(['ECONNRESET', 'ECONNRESET']);
    await until(() => stream.resetCode !== undefined);
    expect(opened.length).toBe(1);
    expect(new Set(heard.slice(1))).toEqual(
      new Set(['visitor 1 refused: timed-out', 'visitor undefined refused: timed-out']),
    );
  });

  it('is reset at once while the client has not answered for long (spec reverse 6: "further visitor at once")', async () => {
    const { ask, client, heard, opened } = setUp('*');
    const { port } = await ask('127.0.0.1', 0);
    client.isAway = true;
    expect(await howItEnds(connectTo(port))).toBe('ECONNRESET');
    expect([heard.at(-1), opened.length]).toEqual(['visitor undefined refused: timed-out', 0]);
  });

  it('is reset when this machine lacks descriptors (spec forwarding 2.7)', async () => {
    const { ask, client, opened } = setUp('*');
    const { port } = await ask('127.0.0.1', 0);
    client.hasDescriptors = false;
    expect(await howItEnds(connectTo(port))).toBe('ECONNRESET');
    expect(opened.length).toBe(0);
  });
});

describe('changed listen rules', () => {
  it('close a listener that lost its rule, with its visitors (spec reverse 8: "MUST close the listener")', async () => {
    const { ask, nextStream, setRules, heard } = setUp('*');
    const first = await ask('127.0.0.1', 0);
    const second = await ask('127.0.0.1', 0);
    const visitor = connectTo(first.port);
    (await nextStream()).answer(encodeStatus('opened'));
    const kept = connectTo(second.port);
    const other = await nextStream();
    other.answer(encodeStatus('opened'));
    setRules(`127.0.0.1:${second.port}`);
    expect(await howItEnds(visitor)).toBe('ECONNRESET');
    expect([first.stream.resetCode, first.stream.stopCode]).toEqual([
      StreamErrorCode.refused,
      StreamErrorCode.refused,
    ]);
    expect(await howItEnds(connectTo(first.port))).toBe('ECONNREFUSED');
    expect(heard).toContain('end: no listen rule allows it any more');
    // spec reverse 8: "MUST be left alone"
    expect(second.stream.resetCode).toBeUndefined();
    other.answer('still here');
    expect(String((await once(kept, 'data'))[0])).toBe('still here');
  });
});

async function until(isMet: () => boolean): Promise<void> {
  while (!isMet()) await new Promise((resolve) => setImmediate(resolve));
}
