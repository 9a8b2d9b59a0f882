/** The words of a client's log, as its user reads them. */
import type { ClientEvent, DisconnectCause } from '@underpass/client';
import { describe, expect, test } from 'vitest';
import { logClientEvent } from '../../src/commands/client-log.js';
import { recordingLog } from './recording-log.js';

function words(event: ClientEvent): string {
  const log = recordingLog();
  logClientEvent(log, event);
  expect(log.lines).toHaveLength(1);
  return log.lines[0] as string;
}

describe('a client tells its user', () => {
  test.each<[DisconnectCause, number, string]>([
    ['relay-restarted', 3, 'the relay was restarted: 3 connections are lost'],
    ['relay-restarted', 0, 'the relay was restarted: no connection is lost'],
    ['relay-stopped', 1, 'the relay was stopped: 1 connection is lost; new ones wait until it runs again'],
    [
      'removed',
      2,
      "the relay no longer accepts this client (why): 2 connections are lost; ask the relay's owner",
    ],
    [
      'superseded',
      2,
      "another client with this client's key has connected: 2 connections are lost; give each client a key of its own",
    ],
  ])('that its connection ended: %s, %i lost', (cause, lostStreams, expected) => {
    expect(words({ type: 'disconnected', cause, reason: 'why', lostStreams })).toBe(`warn ${expected}`);
  });

  test('that connections wait (spec outage 2)', () => {
    expect(words({ type: 'waiting', silentMs: 2_500 })).toBe(
      'warn the relay has not answered for 2.5 s: connections wait until it does',
    );
  });
});
