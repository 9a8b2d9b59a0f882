import { type Address, StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import {
  Driver,
  MAX_ANSWERED_BYTES,
  MAX_BATCHES_PER_TURN,
  MAX_EVENTS_PER_TURN,
  MAX_UNANSWERED_BYTES,
} from '../src/index.js';
import { setUpDriver as setUp } from './driver-setup.js';
import {
  FakeEndpoint,
  FakeSocket,
  FakeTimers,
  fakePeer,
  fakeStream,
  ignoringHandler,
  Turns,
} from './fake-endpoint.js';

describe('a turn of the driver', () => {
  it('answers all datagrams of one turn together', () => {
    const { endpoint, socket, turns, receive } = setUp();
    for (let i = 0; i < 10; i++) receive();
    endpoint.toSend = 1;
    expect(endpoint.received).toHaveLength(10);
    expect(turns.waiting).toHaveLength(1);
    expect(turns.run()).toBe(1);
    expect(socket.sent).toBe(1);
  });

  it('answers in between when much has arrived, but lets no timer expire (spec recovery 4)', () => {
    const { endpoint, socket, timers, turns, driver } = setUp();
    const receive = (bytes: number): void =>
      socket.listener?.onDatagram(new Uint8Array(bytes), { address: '192.0.2.1', port: 1 }, false);
    endpoint.deadline = { at: 25, reason: 'probe timeout' };
    driver.wake();
    turns.run();
    timers.advance(60);
    endpoint.toSend = 1;
    receive(MAX_UNANSWERED_BYTES - 1);
    expect(socket.sent).toBe(0);
    receive(1);
    expect([socket.sent, endpoint.timeouts]).toEqual([1, 0]);
    // What was answered does not count again.
    endpoint.toSend = 1;
    receive(MAX_UNANSWERED_BYTES - 1);
    expect(socket.sent).toBe(1);
    turns.run();
    expect([socket.sent, endpoint.timeouts]).toEqual([2, 1]);
  });

  it('passes on what arrives but stops acknowledging when a turn is long, so that the sender pauses', () => {
    let passedOn = 0;
    const { endpoint, socket, turns } = setUp({ ...ignoringHandler, onStreamsAvailable: () => passedOn++ });
    const peer = fakePeer();
    const receive = (): void => {
      endpoint.events.push({ type: 'streams-available', peer });
      endpoint.toSend = 1;
      socket.listener?.onDatagram(
        new Uint8Array(MAX_UNANSWERED_BYTES),
        { address: '192.0.2.1', port: 1 },
        false,
      );
    };
    const answered = MAX_ANSWERED_BYTES / MAX_UNANSWERED_BYTES;
    for (let i = 0; i < answered + 3; i++) receive();
    expect([passedOn, socket.sent]).toEqual([answered + 3, answered]);
    turns.run(1);
    expect(socket.sent).toBe(answered + 1);
    receive();
    expect(socket.sent).toBe(answered + 2);
  });

  it('does not run for a datagram without effect', () => {
    const { endpoint, turns, receive } = setUp();
    endpoint.reaction = 'none';
    for (let i = 0; i < 10; i++) receive();
    expect(endpoint.received).toHaveLength(10);
    expect(turns.waiting).toHaveLength(0);
  });

  it('does not run for an answer, which leaves at once and uses no batch', () => {
    const { endpoint, socket, turns, receive } = setUp();
    const answer = Uint8Array.of(3, 0, 0, 0);
    endpoint.reaction = answer;
    socket.free = 0;
    receive();
    expect(socket.answers).toEqual([{ bytes: answer, to: { address: '192.0.2.1', port: 1 } }]);
    expect(turns.waiting).toHaveLength(0);
  });

  it('does not run before the driver is woken', () => {
    const { endpoint, socket, turns, driver } = setUp();
    endpoint.toSend = 1;
    expect(turns.run()).toBe(0);
    driver.wake();
    driver.wake();
    expect(turns.run()).toBe(1);
    expect(socket.sent).toBe(1);
  });

  it('sends a bounded number of batches, then lets other work run', () => {
    const { endpoint, socket, turns, driver } = setUp();
    endpoint.toSend = MAX_BATCHES_PER_TURN + 1;
    driver.wake();
    turns.run(1);
    expect(socket.sent).toBe(MAX_BATCHES_PER_TURN);
    turns.run();
    expect(socket.sent).toBe(MAX_BATCHES_PER_TURN + 1);
  });

  it('dispatches a bounded number of events, then lets other work run', () => {
    const { endpoint, turns, driver } = setUp();
    for (let i = 0; i < MAX_EVENTS_PER_TURN + 5; i++) {
      endpoint.events.push({ type: 'stream-readable', stream: fakeStream() });
    }
    driver.wake();
    turns.run(1);
    expect(endpoint.events).toHaveLength(4);
    turns.run();
    expect(endpoint.events).toHaveLength(0);
  });

  it('stops polling while no batch is free, and continues when one is', () => {
    const { endpoint, socket, turns, driver } = setUp();
    socket.instant = false;
    endpoint.toSend = 6;
    driver.wake();
    expect(turns.run()).toBe(1);
    expect(socket.sent).toBe(4);
    socket.free = 4;
    socket.listener?.onBatchFree();
    turns.run();
    expect(socket.sent).toBe(6);
  });

  it('counts what has arrived from the last turn on, and answers in between only beyond the limit', () => {
    const { endpoint, socket, turns } = setUp();
    const receive = (bytes: number): void =>
      socket.listener?.onDatagram(new Uint8Array(bytes), { address: '192.0.2.1', port: 1 }, false);
    for (let i = 0; i < 3; i++) {
      receive(MAX_UNANSWERED_BYTES - 1);
      turns.run();
    }
    endpoint.toSend = 1;
    receive(MAX_UNANSWERED_BYTES - 1);
    expect(socket.sent).toBe(0);
    receive(1);
    expect(socket.sent).toBe(1);
  });

  it('is followed by another one if sending causes events', () => {
    const seen: string[] = [];
    const stream = fakeStream();
    const { endpoint, turns, driver } = setUp();
    driver.attach(stream, { onReadable: () => seen.push('readable') });
    const { pollTransmit } = endpoint;
    endpoint.pollTransmit = (now, batch) => {
      const isFilled = pollTransmit.call(endpoint, now, batch);
      if (isFilled) {
        endpoint.events.push({ type: 'stream-readable', stream }, { type: 'stream-readable', stream });
      }
      return isFilled;
    };
    endpoint.toSend = 1;
    driver.wake();
    expect(turns.run()).toBe(2);
    expect(seen).toHaveLength(2);
    driver.wake();
    expect(turns.run()).toBe(1);
  });

  it('that fails is reported, and leaves the timer of the next one', () => {
    const { endpoint, turns, driver, fatal, timers } = setUp();
    endpoint.deadline = { at: 50, reason: 'loss' };
    endpoint.pollTransmit = () => {
      throw new Error('our bug');
    };
    driver.wake();
    turns.run();
    expect([fatal, timers.pending]).toEqual([[new Error('our bug')], 1]);
    driver.wake();
    expect(turns.run()).toBe(1);
  });

  it('gives all datagrams that the system has joined the time at which the first arrived', () => {
    const { endpoint, socket, timers } = setUp();
    const times: number[] = [];
    endpoint.handleDatagram = (now: number) => {
      times.push(now);
      return 'none';
    };
    for (const [at, isCoalesced] of [
      [10, false],
      [11, true],
      [12, true],
      [13, false],
    ] as const) {
      timers.now = at;
      socket.listener?.onDatagram(new Uint8Array(1), { address: '192.0.2.1', port: 1 }, isCoalesced);
    }
    expect(times).toEqual([10, 10, 10, 13]);
  });

  it('passes a datagram of another shard on, and handles those that others pass on (spec session 3.3)', () => {
    const endpoint = new FakeEndpoint();
    const socket = new FakeSocket();
    const timers = new FakeTimers();
    const turns = new Turns();
    const passed: unknown[] = [];
    const driver = new Driver({
      endpoint,
      socket,
      handler: ignoringHandler,
      timers,
      now: () => timers.now,
      defer: turns.defer,
      passOn: (...what) => passed.push(what),
    });
    const from = { address: '192.0.2.1', port: 1 };
    const handled: unknown[] = [];
    endpoint.handlePassedOn = (...what: unknown[]) => {
      handled.push(what);
      return 'poll';
    };
    endpoint.reaction = 'none';
    socket.listener?.onDatagram(Uint8Array.of(6), from, false);
    endpoint.reaction = { passOnTo: 3 };
    socket.listener?.onDatagram(Uint8Array.of(7), from, false);
    expect(passed).toEqual([[3, Uint8Array.of(7), from]]);
    expect(turns.waiting).toHaveLength(0);
    expect(handled).toEqual([]);
    timers.now = 20;
    driver.handlePassedOn(Uint8Array.of(8), from);
    expect(handled).toEqual([[20, Uint8Array.of(8), from]]);
    expect(turns.run()).toBe(1);
  });

  it('dispatches no event while another one is dispatched', () => {
    let depth = 0;
    let deepest = 0;
    const peer = fakePeer();
    const { endpoint, turns, driver } = setUp({
      ...ignoringHandler,
      onStreamsAvailable: () => {
        deepest = Math.max(deepest, ++depth);
        driver.handlePassedOn(new Uint8Array(MAX_UNANSWERED_BYTES), { address: '192.0.2.1', port: 1 });
        depth--;
      },
    });
    for (let i = 0; i < 3; i++) endpoint.events.push({ type: 'streams-available', peer });
    driver.wake();
    turns.run();
    expect([deepest, endpoint.events.length]).toEqual([1, 0]);
  });

  it('also sends what the handlers of its events commanded', () => {
    const stream = fakeStream();
    const { endpoint, socket, turns, driver } = setUp();
    driver.attach(stream, {
      onReadable: () => {
        endpoint.toSend++;
        driver.wake();
      },
    });
    endpoint.events.push({ type: 'stream-readable', stream });
    driver.wake();
    expect(turns.run()).toBe(1);
    expect(socket.sent).toBe(1);
  });
});

describe('dispatching', () => {
  it('passes each event of a stream to its handler', () => {
    const stream = fakeStream();
    const seen: string[] = [];
    const { endpoint, turns, driver } = setUp();
    driver.attach(stream, {
      onReadable: () => seen.push('readable'),
      onWritable: () => seen.push('writable'),
      onReset: (code) => seen.push(`reset ${code}`),
      onStopped: (code) => seen.push(`stopped ${code}`),
      onClosed: () => seen.push('closed'),
    });
    endpoint.events.push(
      { type: 'stream-readable', stream },
      { type: 'stream-writable', stream },
      { type: 'stream-reset', stream, code: 1 },
      { type: 'stream-stopped', stream, code: 2 },
      { type: 'stream-closed', stream },
      { type: 'stream-readable', stream },
      { type: 'stream-readable', stream: fakeStream() },
    );
    driver.wake();
    turns.run();
    expect(seen).toEqual(['readable', 'writable', 'reset 1', 'stopped 2', 'closed']);
    expect(driver.attachedStreams).toBe(0);
  });

  it('forgets a stream when its connection is lost, with or without a last event', () => {
    const stream = fakeStream();
    const seen: string[] = [];
    const { endpoint, turns, driver } = setUp();
    driver.attach(stream, { onReset: () => seen.push('reset'), onClosed: () => seen.push('closed') });
    endpoint.events.push(
      { type: 'stream-reset', stream, code: StreamErrorCode.connectionLost },
      { type: 'stream-closed', stream },
    );
    driver.wake();
    turns.run();
    expect(seen).toEqual(['reset', 'closed']);
    expect(driver.attachedStreams).toBe(0);
  });

  it('reports peers and the streams that they open', () => {
    const seen: unknown[] = [];
    const peer = fakePeer();
    const stream = fakeStream();
    const { endpoint, turns, driver } = setUp({
      onConnected: (who) => seen.push(['connected', who]),
      onDisconnected: (who, error, lost) => seen.push(['disconnected', who, error.reason, lost]),
      onStream: (who, what) => seen.push(['stream', who, what]),
    });
    endpoint.events.push(
      { type: 'connected', peer, software: 'test' },
      { type: 'stream-opened', peer, stream },
      { type: 'disconnected', peer, error: { by: 'peer', code: 0, reason: 'bye' }, lostStreams: 3 },
    );
    driver.wake();
    turns.run();
    expect(seen).toEqual([
      ['connected', peer],
      ['stream', peer, stream],
      ['disconnected', peer, 'bye', 3],
    ]);
  });

  it('reports an error that a handler throws, and continues with the next event', () => {
    const bad = fakeStream();
    const good = fakeStream();
    let reached = false;
    const { endpoint, turns, driver, fatal } = setUp();
    driver.attach(bad, {
      onReadable: () => {
        throw new Error('our bug');
      },
    });
    driver.attach(good, {
      onReadable: () => {
        reached = true;
      },
    });
    endpoint.events.push({ type: 'stream-readable', stream: bad }, { type: 'stream-readable', stream: good });
    driver.wake();
    turns.run();
    expect(fatal).toEqual([new Error('our bug')]);
    expect(reached).toBe(true);
  });

  it('throws an error again if nobody wants to know', () => {
    const [endpoint, socket] = [new FakeEndpoint(), new FakeSocket()];
    new Driver({ endpoint, socket, handler: ignoringHandler });
    endpoint.handleDatagram = () => {
      throw new Error('our bug');
    };
    const from = { address: '192.0.2.1', port: 1 };
    expect(() => socket.listener?.onDatagram(new Uint8Array(1), from, false)).toThrow('our bug');
  });

  it('reports an error that the endpoint throws for a datagram', () => {
    const { endpoint, fatal, receive } = setUp();
    endpoint.handleDatagram = () => {
      throw new Error('our bug');
    };
    receive();
    expect(fatal).toHaveLength(1);
  });
});

describe('a datagram that the system refuses to send', () => {
  it('because of its size is reported to the endpoint, which sends smaller ones at once (spec mtu 4.4)', () => {
    const to = { address: '192.0.2.1', port: 1 };
    const { endpoint, socket, turns } = setUp();
    const told: unknown[] = [];
    endpoint.handleTooLarge = (_now?: number, where?: Address, bytes?: number) => {
      told.push([where, bytes]);
      endpoint.toSend = 1;
    };
    socket.listener?.onTooLarge?.(to, 1472);
    turns.run();
    expect([told, socket.sent]).toEqual([[[to, 1472]], 1]);
  });

  it('is reported to the handler until the driver is closed (spec outage 9)', async () => {
    const to = { address: '192.0.2.1', port: 1 };
    const seen: unknown[] = [];
    const { socket, turns, driver } = setUp({
      ...ignoringHandler,
      onSendError: (where, code) => seen.push([where, code]),
    });
    socket.listener?.onSendError?.(to, 'ENETUNREACH');
    const closed = driver.close();
    turns.run();
    await closed;
    socket.listener?.onSendError?.(to, 'EPERM');
    expect(seen).toEqual([[to, 'ENETUNREACH']]);
  });
});
