import type { EndpointEvent } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { describeEvent } from '../../src/model/event-words.js';

const HOME = { address: '192.0.2.1', port: 1 };
const AWAY = { address: '192.0.2.2', port: 2 };
const stream = { id: 4 };

/** Every event that means more than more bytes, with what the playground says of it. */
const WORDS: readonly (readonly [event: object, words: string])[] = [
  [{ type: 'connected' }, 'connected: the handshake is complete and a HELLO has arrived'],
  [
    { type: 'disconnected', error: { reason: 'closed' }, lostStreams: 2 },
    'connection over: closed; 2 streams ended with it',
  ],
  [{ type: 'key-shared' }, 'another process uses the same key'],
  [{ type: 'waiting' }, 'no answer: streams wait'],
  [{ type: 'resumed', silentMs: 1500 }, 'heard the other side again after 1.5 s'],
  [{ type: 'moved', from: HOME, to: AWAY }, 'the peer moved from 192.0.2.1:1 to 192.0.2.2:2, and proved it'],
  [{ type: 'path-fragments' }, 'even small datagrams are fragmented on this path'],
  [{ type: 'stream-opened', stream }, 'stream 4 was opened by the other side'],
  [{ type: 'stream-reset', stream }, 'stream 4 was reset'],
  [{ type: 'stream-stopped', stream }, 'the reader of stream 4 has stopped'],
  [{ type: 'stream-closed', stream }, 'stream 4 is over'],
  [
    { type: 'clock-behind', earlierClockMs: 9000, clockMs: 4000 },
    'refused a handshake: the clock of the other side is 5.0 s behind',
  ],
  [{ type: 'unknown-key' }, 'refused a handshake of an unknown key'],
];

describe('what the playground says of an event', () => {
  it.each(WORDS)('names the side and what has happened: %j', (event, words) => {
    expect(describeEvent('client', event as EndpointEvent)).toBe(`Client 1: ${words}`);
    expect(describeEvent('client-2', event as EndpointEvent)).toBe(`Client 2: ${words}`);
    expect(describeEvent('relay', event as EndpointEvent)).toBe(`Relay: ${words}`);
  });

  it('leaves out events that only mean more bytes', () => {
    expect(describeEvent('relay', { type: 'stream-readable', stream } as EndpointEvent)).toBeUndefined();
  });
});
