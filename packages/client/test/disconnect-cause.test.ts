import { ConnectionErrorCode } from '@underpass/protocol';
import { expect, it } from 'vitest';
import { causeOf } from '../src/disconnect-cause.js';

const { none, removed, superseded, peerRestarted, protocolViolation, idleTimeout } = ConnectionErrorCode;

it.each([
  ['peer', peerRestarted, 'relay-restarted'],
  ['peer', none, 'relay-stopped'],
  ['peer', removed, 'removed'],
  ['peer', superseded, 'superseded'],
  ['peer', protocolViolation, 'error-at-relay'],
  ['local', idleTimeout, 'error'],
  ['local', removed, 'error'],
] as const)('a connection ended by %s with code %i is reported as %s', (by, code, cause) => {
  expect(causeOf({ by, code, reason: '' })).toBe(cause);
});
