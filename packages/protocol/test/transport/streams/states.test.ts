import { describe, expect, it } from 'vitest';
import { RECEIVE_TRANSITIONS, SEND_TRANSITIONS } from '../../../src/transport/streams/states.js';

/** The expected result of every event in every state, so that no change of the tables goes unnoticed. */
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
  it('follow the diagram for sending (spec streams 4.2)', () => {
    expect(flatten(SEND_TRANSITIONS)).toEqual(expectedSend);
  });
  it('follow the diagram for receiving (spec streams 4.3)', () => {
    expect(flatten(RECEIVE_TRANSITIONS)).toEqual(expectedReceive);
  });
});
