import { type LocalEnd, MAX_CONNECTIONS, type PumpSummary } from '@underpass/forward';
import type { Stream } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { Carrier } from '../src/carrier.js';
import { MAX_WAITING_PROGRAMS } from '../src/client-constants.js';
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
  const state = { hasContact: false, isReachable: false, places: 0, sought: 0 };
  const carrier = new Carrier({
    tunnel: { attach: () => undefined, wake: () => undefined },
    openStream: () => (state.places-- > 0 ? ({} as Stream) : undefined),
    hasContact: () => state.hasContact,
    isReachable: () => state.isReachable,
    seek: () => {
      state.sought++;
    },
    emit: (event: ClientEvent) => events.push(`${timers.now} ${event.type}`),
    contactLimitMs: LIMIT_MS,
    log: { warn: () => {} } as unknown as ConstructorParameters<typeof Carrier>[0]['log'],
    now: () => timers.now,
    timers,
  });
  /** Carries a local connection, and records what becomes of it. */
  const carry = (onOpened: (end: () => void) => void = () => undefined) => {
    const seen: string[] = [];
    const socket = new FakeSocket();
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
  return { carrier, carry, timers, events, state };
}

/** A socket on which nothing happens. */
class FakeSocket {
  destroyed = false;
  writable = true;
  once(): this {
    return this;
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
});
