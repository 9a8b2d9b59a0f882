/** Each event of an endpoint reaches one handler, once, with all that it says. */
import { type EndpointEvent, StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { type DriverHandler, EventDispatcher, type StreamHandler } from '../src/event-dispatcher.js';
import { fakePeer, fakeStream, ignoringHandler } from './fake-endpoint.js';

const peer = fakePeer();
const stream = fakeStream();
const from = { address: '192.0.2.1', port: 1 };
const to = { address: '192.0.2.2', port: 2 };
const publicKey = new Uint8Array(32);
const error = { by: 'peer', code: 0, reason: 'bye' } as const;

const OF_PEERS: [EndpointEvent, keyof DriverHandler, unknown[]][] = [
  [{ type: 'connected', peer, software: 'test' }, 'onConnected', [peer]],
  [{ type: 'disconnected', peer, error, lostStreams: 3 }, 'onDisconnected', [peer, error, 3]],
  [{ type: 'waiting', peer, since: 5 }, 'onWaiting', [peer, 5]],
  [{ type: 'resumed', peer, silentMs: 6 }, 'onResumed', [peer, 6]],
  [{ type: 'path-fragments', peer, datagramBytes: 1200 }, 'onPathFragments', [peer, 1200]],
  [{ type: 'moved', peer, from, to }, 'onMoved', [peer, from, to]],
  [{ type: 'key-shared', peer, addresses: [from, to] }, 'onKeyShared', [peer, [from, to]]],
  [{ type: 'unknown-key', publicKey, from }, 'onUnknownKey', [publicKey, from]],
  [{ type: 'clock-behind', peer, clockMs: 7, earlierClockMs: 8 }, 'onClockBehind', [peer, 7, 8]],
  [{ type: 'streams-available', peer }, 'onStreamsAvailable', [peer]],
  [{ type: 'stream-opened', peer, stream }, 'onStream', [peer, stream]],
];

const OF_STREAMS: [EndpointEvent, keyof StreamHandler, unknown[]][] = [
  [{ type: 'stream-readable', stream }, 'onReadable', []],
  [{ type: 'stream-datagrams', stream }, 'onDatagrams', []],
  [{ type: 'stream-writable', stream }, 'onWritable', []],
  [{ type: 'stream-stopped', stream, code: 9 }, 'onStopped', [9]],
  [{ type: 'stream-reset', stream, code: 9 }, 'onReset', [9]],
];

/** A handler that notes every call. */
function noting<Handler extends object>(): { handler: Handler; calls: [string, ...unknown[]][] } {
  const calls: [string, ...unknown[]][] = [];
  const handler = new Proxy({} as Handler, {
    get:
      (_target, name) =>
      (...details: unknown[]) =>
        calls.push([String(name), ...details]),
  });
  return { handler, calls };
}

describe('an event of a peer', () => {
  it.each(OF_PEERS.map(([event, method, details]) => [event.type, event, method, details] as const))(
    '%s is passed on with all that it says',
    (_type, event, method, details) => {
      const { handler, calls } = noting<DriverHandler>();
      new EventDispatcher(handler).dispatch(event);
      expect(calls).toEqual([[method, ...details]]);
    },
  );

  it('is ignored by a handler that does not want it', () => {
    const dispatcher = new EventDispatcher(ignoringHandler);
    for (const [event] of OF_PEERS) expect(() => dispatcher.dispatch(event)).not.toThrow();
  });
});

describe('an event of a stream', () => {
  it.each(OF_STREAMS.map(([event, method, details]) => [event.type, event, method, details] as const))(
    '%s is passed on to the handler of the stream alone, which stays attached',
    (_type, event, method, details) => {
      const peers = noting<DriverHandler>();
      const [own, other] = [noting<StreamHandler>(), noting<StreamHandler>()];
      const dispatcher = new EventDispatcher(peers.handler);
      dispatcher.attach(stream, own.handler);
      dispatcher.attach(fakeStream(), other.handler);
      dispatcher.dispatch(event);
      expect([own.calls, other.calls, peers.calls]).toEqual([[[method, ...details]], [], []]);
      expect(dispatcher.attachedStreams).toBe(2);
    },
  );

  it.each([
    [{ type: 'stream-closed', stream } as const, []],
    [
      { type: 'stream-reset', stream, code: StreamErrorCode.connectionLost } as const,
      [['onReset', StreamErrorCode.connectionLost]],
    ],
  ])('is the last one if it is %j', (event, before) => {
    const { handler, calls } = noting<StreamHandler>();
    const dispatcher = new EventDispatcher(ignoringHandler);
    dispatcher.attach(stream, handler);
    dispatcher.dispatch(event);
    expect(calls).toEqual([...before, ['onClosed']]);
    expect(dispatcher.attachedStreams).toBe(0);
    for (const [later] of OF_STREAMS) dispatcher.dispatch(later);
    expect(calls).toHaveLength(before.length + 1);
  });

  it('is ignored by a handler that does not want it', () => {
    const dispatcher = new EventDispatcher(ignoringHandler);
    dispatcher.attach(stream, {});
    for (const [event] of OF_STREAMS) expect(() => dispatcher.dispatch(event)).not.toThrow();
    expect(() => dispatcher.dispatch({ type: 'stream-closed', stream })).not.toThrow();
  });
});
