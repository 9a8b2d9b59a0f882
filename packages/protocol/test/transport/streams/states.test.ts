import { describe, expect, it } from 'vitest';
import { RECEIVE_TRANSITIONS, SEND_TRANSITIONS } from '../../../src/transport/streams/states.js';

/** Every state × every event, so that a change of either table is seen here too. */
const expectedSend = {
  ready: 'data-sent→send fin-sent→data-sent reset→reset-sent lost→reset-received',
  send: 'fin-sent→data-sent reset→reset-sent lost→reset-received',
  'data-sent': 'all-acknowledged→data-received reset→reset-sent lost→reset-received',
  'data-received': '',
  'reset-sent': 'reset-acknowledged→reset-received lost→reset-received',
  'reset-received': '',
};
const expectedReceive = {
  receive: 'fin→size-known reset→reset-received lost→reset-read',
  'size-known': 'all-arrived→data-received reset→reset-received told→reset-read lost→reset-read',
  'data-received': 'all-read→data-read told→reset-read lost→reset-read',
  'data-read': '',
  'reset-received': 'told→reset-read lost→reset-read',
  'reset-read': '',
};

const flatten = (table: Record<string, Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(table).map(([state, events]) => [
      state,
      Object.entries(events)
        .map(([event, next]) => `${event}→${next}`)
        .join(' '),
    ]),
  );

describe('stream states', () => {
  it('sending moves as spec streams 4.2 draws it', () => {
    expect(flatten(SEND_TRANSITIONS)).toEqual(expectedSend);
  });
  it('receiving moves as spec streams 4.3 draws it', () => {
    expect(flatten(RECEIVE_TRANSITIONS)).toEqual(expectedReceive);
  });
});
