import { once } from 'node:events';
import { Socket } from 'node:net';
import { type LocalEnd, MAX_CONNECTIONS, type PumpSummary } from '@underpass/forward';
import type { Stream } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { Carrier } from '../src/carrier.js';
import { MAX_WAITING_PROGRAMS, PLACE_TIMEOUT_MS } from '../src/client-constants.js';
import type { ClientEvent } from '../src/client-options.js';
import { FakeTimers } from './fake-timers.js';

const TARGET = { host: 'localhost', port: 80 };
const LIMIT_MS = 30_000;

interface Observer {
  onEnd(summary: PumpSummary): void;
}

/** A client whose relay the test plays. */
function setUp() {
  const timers = new FakeTimers();
  const events: string[] = [];
  const emitted: ClientEvent[] = [];
  const state = { hasContact: false, isReachable: false, places: 0, sought: 0 };
  const carrier = new Carrier({
    tunnel: { attach: () => undefined, wake: () => undefined },
    openStream: () => (state.places-- > 0 ? ({ id: 4 * state.places } as Stream) : undefined),
    hasContact: () => state.hasContact,
    isReachable: () => state.isReachable,
    seek: () => {
      state.sought++;
    },
    emit: (event: ClientEvent) => {
      emitted.push(event);
      events.push(`${timers.now} ${event.type}`);
    },
    contactLimitMs: LIMIT_MS,
    log: { warn: () => {} } as unknown as ConstructorParameters<typeof Carrier>[0]['log'],
    now: () => timers.now,
    timers,
  });
  const sockets: FakeSocket[] = [];
  /** Carries a local connection, and records what becomes of it. */
  const carry = (onOpened: (end: () => void) => void = () => undefined) => {
    const seen: string[] = [];
    const socket = new FakeSocket();
    sockets.push(socket);
    carrier.carry(
      {
        socket,
        open: (stream: Stream | undefined, { observer }: { observer: Observer }) => {
          seen.push(stream === undefined ? 'refused' : 'open');
          onOpened(() => observer.onEnd({ bytesSent: 0, bytesReceived: 0, clean: false }));
        },
        giveUp: () => seen.push(`${timers.now} given up`),
      } as unknown as LocalEnd,
      TARGET,
      () => 'here',
    );
    return seen;
  };
  return { carrier, carry, timers, events, emitted, state, sockets };
}

/** A socket on which nothing happens. */
class FakeSocket {
  destroyed = false;
  writable = true;
  readonly #onClose: (() => void)[] = [];
  once(event: string, listener: () => void): this {
    if (event === 'close') this.#onClose.push(listener);
    return this;
  }
  close(): void {
    for (const listener of this.#onClose.splice(0)) listener();
  }
  on(): this {
    return this;
  }
  removeListener(): this {
    return this;
  }
  off(): this {
    return this;
  }
  pause(): this {
    return this;
  }
  resume(): this {
    return this;
  }
}

describe('a local connection before first contact (spec outage 8)', () => {
  it('makes the client look for the relay, and is given up at the limit', async () => {
    const { carry, timers, state, events } = setUp();
    const seen = carry();
    expect(state.sought).toBe(1);
    await timers.runTo(LIMIT_MS);
    expect(seen).toEqual([`${LIMIT_MS} given up`]);
    expect(events).toEqual(['0 stream-opened', `${LIMIT_MS} given-up`]);
  });

  it('is not given up any more once the relay was reached, even if it still waits for a place', async () => {
    const { carrier, carry, timers, state, events } = setUp();
    const seen = carry();
    await timers.runTo(LIMIT_MS - 1);
    Object.assign(state, { hasContact: true, isReachable: true });
    carrier.onContact();
    await timers.runTo(3 * LIMIT_MS);
    expect([...seen, ...events].filter((text) => /given.up/.test(text))).toEqual([]);
  });

  it('gets its stream on contact, if there is a place', async () => {
    const { carrier, carry, state } = setUp();
    const seen = carry();
    expect(seen).toEqual([]);
    Object.assign(state, { hasContact: true, isReachable: true, places: 1 });
    carrier.onContact();
    expect(seen).toEqual(['open']);
  });

  it('has no limit after first contact, and does not look for the relay again', async () => {
    const { carry, timers, state, events } = setUp();
    state.hasContact = true;
    const seen = carry();
    await timers.runTo(3 * LIMIT_MS);
    expect([seen.filter((text) => text.includes('given')), state.sought]).toEqual([[], 0]);
    expect(events).not.toContain('given-up');
  });
});

describe('a local connection without a place (spec forwarding 2.5)', () => {
  it('gives none back when it is refused, and one that ends gives back its own', () => {
    const { carry, state } = setUp();
    Object.assign(state, { hasContact: true, isReachable: true, places: 2 * MAX_CONNECTIONS });
    const ends: (() => void)[] = [];
    const connections = Array.from({ length: MAX_CONNECTIONS + MAX_WAITING_PROGRAMS + 1 }, () =>
      carry((end) => ends.push(end)),
    );
    const opened = () => connections.filter(([first]) => first === 'open').length;
    expect([opened(), connections.at(-1)]).toEqual([MAX_CONNECTIONS, ['refused']]);
    ends.at(-1)?.();
    expect(opened()).toBe(MAX_CONNECTIONS);
    ends[0]?.();
    expect(opened()).toBe(MAX_CONNECTIONS + 1);
  });

  it('is refused after 10 s, but only while the relay answers', async () => {
    const { carry, state, timers } = setUp();
    Object.assign(state, { hasContact: true, isReachable: false });
    const seen = carry();
    await timers.runTo(3 * PLACE_TIMEOUT_MS);
    expect(seen).toEqual([]);
    state.isReachable = true;
    await timers.runTo(4 * PLACE_TIMEOUT_MS);
    expect(seen).toEqual(['refused']);
  });
});

describe('the local connections of a client', () => {
  it('that outlive their streams are reset when the client closes', async () => {
    const { carrier } = setUp();
    const socket = new Socket().on('error', () => undefined);
    carrier.admit(socket);
    const closed = carrier.close();
    expect(socket.destroyed).toBe(true);
    await closed;
    expect(carrier.connections).toBe(0);
  });

  it('are listed while they last, each under its own id, with the stream that carries it', () => {
    const { carrier, carry, state, sockets, events, timers } = setUp();
    timers.now = 7;
    Object.assign(state, { hasContact: true, isReachable: true, places: 1 });
    let end = (): void => undefined;
    carry((ends) => {
      end = ends;
    });
    carry();
    expect(carrier.streams()).toEqual([
      { id: 1, target: TARGET, from: 'here', openedAt: 7, streamId: 0 },
      { id: 2, target: TARGET, from: 'here', openedAt: 7, streamId: undefined },
    ]);
    expect([carrier.connections, carrier.newId()]).toEqual([2, 3]);
    end();
    expect(events.filter((event) => event.endsWith('stream-closed'))).toHaveLength(1);
    expect(carrier.streams().map(({ id }) => id)).toEqual([2]);
    for (const socket of sockets) socket.close();
    expect(carrier.connections).toBe(0);
  });

  it('that end before contact leave no timer behind', () => {
    const { carry, carrier, state, timers, events } = setUp();
    carrier.stopWaiting();
    const before = timers.pending;
    Object.assign(state, { isReachable: true, places: 1 });
    carry((ends) => ends());
    expect(events.at(-1)).toContain('stream-closed');
    expect(timers.pending).toBe(before);
  });

  it('that end while they wait for a place have carried nothing, and not ended well', async () => {
    const { carrier, emitted } = setUp();
    const socket = new Socket();
    carrier.carry({ socket } as unknown as LocalEnd, TARGET, () => 'here');
    socket.destroy();
    await once(socket, 'close');
    expect(emitted.at(-1)).toEqual({
      type: 'stream-closed',
      id: 1,
      target: TARGET,
      bytesSent: 0,
      bytesReceived: 0,
      clean: false,
    });
    expect([carrier.connections, carrier.streams()]).toEqual([0, []]);
  });

  it('count once, also when they were admitted before they asked for a target', () => {
    const { carrier } = setUp();
    const socket = new FakeSocket();
    expect(carrier.admit(socket as never)).toBe(true);
    expect(carrier.admit(socket as never)).toBe(true);
    expect(carrier.connections).toBe(1);
    socket.close();
    expect(carrier.connections).toBe(0);
  });
});
