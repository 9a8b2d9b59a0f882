import { decodeRequest, encodeStatus, type RequestStatus, type ReverseForward } from '@underpass/forward';
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  MAX_LISTEN_RETRY_MS,
  MAX_UNWELCOME_MS,
  MIN_LISTEN_RETRY_MS,
  MIN_UNWELCOME_MS,
  UNWELCOME_ATTEMPT_MS,
  WELCOME_MS,
} from '../src/client-constants.js';
import type { BoundForward, ClientEvent } from '../src/client-options.js';
import { ReverseForwarding, type ReverseForwardingOptions } from '../src/reverse-forwarding.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';

const SPEC: ReverseForward = {
  kind: 'reverse',
  text: '8080:localhost:3000',
  place: { bind: { kind: 'loopback' }, port: 8080 },
  target: { host: 'localhost', port: 3000 },
};

async function setUp(spec: Partial<ReverseForward> = {}) {
  const timers = new FakeTimers();
  const streams: FakeStream[] = [];
  const events: ClientEvent[] = [];
  const registered = new Set<object>();
  const relay = { permits: true, hasContact: true, seeks: 0, wakes: 0 };
  const forwarding = new ReverseForwarding(
    { ...SPEC, ...spec },
    {
      tunnel: {
        attach: (stream, handler) => {
          (stream as FakeStream).handler = handler;
        },
        wake: () => {
          relay.wakes++;
        },
      },
      openStream: () => {
        if (!relay.permits) return undefined;
        const stream = new FakeStream(2 * streams.length);
        streams.push(stream);
        return stream;
      },
      hasContact: () => relay.hasContact,
      seek: () => {
        relay.seeks++;
      },
      emit: (event) => events.push(event),
      incoming: {
        add: (forward) => void registered.add(forward),
        delete: (forward) => void registered.delete(forward),
      },
      timers,
      now: () => timers.now,
    },
  );
  const bound: BoundForward = await forwarding.start();
  const last = (): FakeStream => streams.at(-1) as FakeStream;
  const open = (port: number): void => last().arrive(encodeStatus('opened'), Uint8Array.of(port >> 8, port));
  const refuse = (status: RequestStatus): void => last().arrive(encodeStatus(status));
  const lose = (): void => last().handler.onReset?.(StreamErrorCode.connectionLost);
  const advance = (ms: number): Promise<void> => timers.runTo(timers.now + ms);
  return { forwarding, bound, timers, streams, last, events, registered, relay, open, refuse, lose, advance };
}

describe('a reverse forward', () => {
  it('asks at once, before the relay is reached, and reports where the relay listens', async () => {
    const { bound, last, events, open, forwarding, registered } = await setUp({
      place: { bind: { kind: 'all' }, port: 0 },
    });
    expect(decodeRequest(last().written)).toMatchObject({ value: { kind: 'listen', bind: '*', port: 0 } });
    expect([bound.addresses, forwarding.streamId, registered.size]).toEqual([[], 0, 1]);
    open(0x1234);
    expect(bound.addresses).toEqual([{ address: '*', port: 0x1234 }]);
    expect(events).toEqual([
      {
        type: 'reverse-listening',
        forward: SPEC.text,
        place: { bind: '*', port: 0x1234 },
        target: SPEC.target,
      },
    ]);
  });

  it('reads an answer that arrives byte by byte, and keeps nothing that follows it', async () => {
    const { last, events } = await setUp();
    for (const byte of [0, 0x1f, 0x90]) last().arrive(Uint8Array.of(byte));
    const concat = vi.spyOn(Buffer, 'concat');
    onTestFinished(() => concat.mockRestore());
    last().arrive(new Uint8Array(100_000));
    expect(concat).not.toHaveBeenCalled();
    expect(events).toMatchObject([{ type: 'reverse-listening', place: { bind: 'localhost', port: 8080 } }]);
  });

  it('asks again when it is refused, ever less often, and reports the same answer once (spec reverse 2: "MUST ask again")', async () => {
    const { streams, events, refuse, advance } = await setUp();
    refuse('not-allowed');
    expect(streams[0]?.resetCode).toBe(StreamErrorCode.cancelled);
    for (const delayMs of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
      const before = streams.length;
      await advance(delayMs - 1);
      expect(streams.length).toBe(before);
      await advance(1);
      expect(streams.length).toBe(before + 1);
      refuse('not-allowed');
    }
    expect(events).toEqual([
      {
        type: 'reverse-refused',
        forward: SPEC.text,
        place: { bind: 'localhost', port: 8080 },
        status: 'not-allowed',
        advice:
          'the relay does not let this client listen on localhost:8080: run there: underpass allow NAME --listen "8080"',
        retryMs: MIN_LISTEN_RETRY_MS,
      },
    ]);
    await advance(MAX_LISTEN_RETRY_MS);
    refuse('address-in-use');
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({ status: 'address-in-use', retryMs: MAX_LISTEN_RETRY_MS });
  });

  it('asks soon again after it has worked', async () => {
    const { streams, refuse, open, advance, last } = await setUp();
    refuse('address-in-use');
    await advance(5_000);
    open(8080);
    last().handler.onReset?.(StreamErrorCode.refused);
    await advance(5_000);
    expect(streams).toHaveLength(3);
  });

  it('reports each change, also back to what was reported before', async () => {
    const { bound, events, refuse, open, lose, advance } = await setUp();
    refuse('not-allowed');
    await advance(MIN_LISTEN_RETRY_MS);
    open(8080);
    await advance(MIN_LISTEN_RETRY_MS);
    lose();
    expect(bound.addresses).toEqual([]);
    await advance(0);
    open(8081);
    expect(bound.addresses).toMatchObject([{ port: 8081 }]);
    lose();
    await advance(MIN_LISTEN_RETRY_MS);
    refuse('not-allowed');
    expect(events).toMatchObject([
      { type: 'reverse-refused' },
      { type: 'reverse-listening', place: { port: 8080 } },
      { type: 'reverse-listening', place: { port: 8081 } },
      { type: 'reverse-refused' },
    ]);
  });

  it('reports that the relay has ended the listener', async () => {
    const { bound, last, events, open, forwarding } = await setUp();
    open(8080);
    last().handler.onReset?.(StreamErrorCode.refused);
    expect([bound.addresses, forwarding.streamId]).toEqual([[], undefined]);
    expect(events[1]).toMatchObject({
      type: 'reverse-refused',
      status: 'not-allowed',
      advice: expect.stringContaining('no longer lets this client listen on localhost:8080'),
    });
  });

  it.each(['FIN', 'a reset'])('takes %s instead of a status for an internal error', async (how) => {
    const { last, events } = await setUp();
    if (how === 'FIN') last().arriveFin();
    else last().handler.onReset?.(StreamErrorCode.refused);
    expect(events).toMatchObject([{ type: 'reverse-refused', status: 'internal-error' }]);
  });

  it('asks at once when its connection is lost, but not when connections keep ending', async () => {
    const { forwarding, streams, open, lose, advance, relay, last } = await setUp();
    open(8080);
    await advance(MIN_LISTEN_RETRY_MS);
    relay.hasContact = false;
    lose();
    last().handler.onClosed?.();
    await advance(0);
    expect([streams.length, relay.seeks]).toEqual([2, 1]);
    expect([forwarding.takeLoss(), forwarding.takeLoss()]).toEqual([true, false]);
    lose();
    await advance(MIN_LISTEN_RETRY_MS - 1);
    expect(streams).toHaveLength(2);
    await advance(1);
    expect(streams).toHaveLength(3);
  });

  it('asks again when its stream closes without another sign', async () => {
    const { bound, streams, open, advance, last } = await setUp();
    open(8080);
    await advance(MIN_LISTEN_RETRY_MS);
    last().handler.onClosed?.();
    expect(bound.addresses).toEqual([]);
    await advance(0);
    expect(streams).toHaveLength(2);
  });

  it('asks at once on contact with the relay (spec reverse 2)', async () => {
    const { forwarding, streams, open, lose, timers } = await setUp();
    open(8080);
    lose();
    forwarding.onContact();
    forwarding.onContact();
    expect([streams.length, timers.pending]).toEqual([2, 0]);
  });

  it('waits for a stream while the relay permits none', async () => {
    const { streams, relay, refuse, advance } = await setUp();
    relay.permits = false;
    refuse('internal-error');
    await advance(5_000);
    expect(streams).toHaveLength(1);
    relay.permits = true;
    await advance(10_000);
    expect(streams).toHaveLength(2);
  });

  it.each(['removed', 'superseded'] as const)(
    'asks rarely after it was %s, and for a short time each (spec reverse 2)',
    async (cause) => {
      const { forwarding, streams, relay, open, lose, advance, last } = await setUp();
      open(8080);
      await advance(MIN_LISTEN_RETRY_MS);
      relay.hasContact = false;
      lose();
      forwarding.onDisconnected(cause);
      for (const delayMs of [
        MIN_UNWELCOME_MS,
        120_000,
        240_000,
        480_000,
        MAX_UNWELCOME_MS,
        MAX_UNWELCOME_MS,
      ]) {
        const before = streams.length;
        await advance(delayMs - 1);
        expect(streams.length).toBe(before);
        await advance(1);
        expect(streams.length).toBe(before + 1);
        await advance(UNWELCOME_ATTEMPT_MS);
        expect(last().resetCode).toBe(StreamErrorCode.cancelled);
      }
      relay.hasContact = true;
      const before = streams.length;
      forwarding.onContact();
      expect(streams.length).toBe(before + 1);
      await advance(UNWELCOME_ATTEMPT_MS);
      expect(last().resetCode).toBeUndefined();
    },
  );

  it('forgets that it was turned away when its listener has lasted (spec reverse 2: "MUST forget that it was turned away")', async () => {
    for (const lastedMs of [WELCOME_MS - 1, WELCOME_MS]) {
      const { forwarding, streams, relay, open, lose, advance } = await setUp();
      forwarding.onDisconnected('superseded');
      await advance(MIN_UNWELCOME_MS);
      open(8080);
      await advance(lastedMs);
      relay.hasContact = false;
      lose();
      forwarding.onDisconnected('relay-stopped');
      await advance(MAX_UNWELCOME_MS);
      // The last attempt lasts until the relay is back, unless it turned this client away.
      const isGivenUp = streams.at(-1)?.resetCode !== undefined;
      expect([streams.length, isGivenUp]).toEqual(lastedMs === WELCOME_MS ? [3, false] : [5, true]);
    }
  });

  it('asks after a minute again if it is turned away after its listener has lasted', async () => {
    const { forwarding, streams, open, lose, advance } = await setUp();
    for (let times = 0; times < 3; times++) {
      open(8080);
      await advance(WELCOME_MS);
      lose();
      forwarding.onDisconnected('superseded');
      const before = streams.length;
      await advance(MIN_UNWELCOME_MS - 1);
      expect(streams.length).toBe(before);
      await advance(1);
      expect(streams.length).toBe(before + 1);
    }
  });

  it('waits twice as long each time that it is turned away in a row (spec reverse 2)', async () => {
    const { forwarding, streams, advance } = await setUp();
    for (const delayMs of [MIN_UNWELCOME_MS, 2 * MIN_UNWELCOME_MS, 4 * MIN_UNWELCOME_MS]) {
      forwarding.onDisconnected('superseded');
      const before = streams.length;
      await advance(delayMs - 1);
      expect(streams.length).toBe(before);
      await advance(1);
      expect(streams.length).toBe(before + 1);
    }
  });

  it('has the service of its visitors, if there is one', () => {
    const service = { serve: () => undefined };
    const forwardings = [undefined, service].map(
      (given) => new ReverseForwarding(SPEC, {} as ReverseForwardingOptions, given),
    );
    expect(forwardings.map((forwarding) => forwarding.service)).toEqual([undefined, service]);
  });

  it('asks at least every ten minutes, however often it was turned away', async () => {
    const { forwarding, streams, advance } = await setUp();
    for (let times = 0; times < 6; times++) forwarding.onDisconnected('superseded');
    await advance(MAX_UNWELCOME_MS - 1);
    expect(streams).toHaveLength(1);
    await advance(1);
    expect(streams).toHaveLength(2);
  });

  it('has no path before the relay listens there, and none for a port', async () => {
    const { bound, open } = await setUp({ place: { path: '/run/a.sock' } });
    expect(bound.path).toBeUndefined();
    open(0);
    expect([bound.path, bound.addresses]).toEqual(['/run/a.sock', []]);
    const other = await setUp();
    other.open(8080);
    expect(other.bound.path).toBeUndefined();
  });

  it('ends with its stream, and asks no more', async () => {
    const { forwarding, last, open, streams, advance, registered, timers } = await setUp();
    open(8080);
    forwarding.close();
    expect([last().finished, registered.size]).toEqual([true, 0]);
    last().handler.onClosed?.();
    expect(timers.pending).toBe(0);
    forwarding.onContact();
    await advance(MAX_UNWELCOME_MS);
    expect(streams).toHaveLength(1);
  });
});

describe('a reverse forward that ends', () => {
  it('wakes the driver, and leaves no timer behind while it waits to ask again', async () => {
    const { forwarding, refuse, timers, relay, registered, last } = await setUp();
    expect(relay.wakes).toBeGreaterThan(0);
    refuse('not-allowed');
    expect(timers.pending).toBe(1);
    relay.wakes = 0;
    forwarding.close();
    expect([timers.pending, registered.size, relay.wakes]).toEqual([0, 0, 1]);
    const streamId = last().id;
    forwarding.onContact();
    expect(last().id).toBe(streamId);
  });

  it('ends its stream in both directions when the relay does not want this client', async () => {
    const { forwarding, open, last, bound, timers } = await setUp();
    open(8080);
    const stream = last();
    forwarding.onDisconnected('error');
    expect([stream.resetCode, bound.addresses.length, timers.pending]).toEqual([undefined, 1, 0]);
    forwarding.onDisconnected('removed');
    expect([stream.resetCode, stream.stopCode]).toEqual([
      StreamErrorCode.cancelled,
      StreamErrorCode.cancelled,
    ]);
    expect([bound.addresses, timers.pending]).toEqual([[], 1]);
  });
});
