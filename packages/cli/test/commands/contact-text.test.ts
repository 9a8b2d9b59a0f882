import { describe, expect, it } from 'vitest';
import { noAnswerText, systemErrorText } from '../../src/commands/contact-text.js';

describe('why nothing can be sent', () => {
  it.each([
    ['EACCES', 'permission denied'],
    ['EADDRNOTAVAIL', 'no address to send from'],
    ['EAFNOSUPPORT', 'this machine does not support that kind of address'],
    ['EHOSTUNREACH', 'no route to host'],
    ['ENETDOWN', 'network is down'],
    ['ENETUNREACH', 'network is unreachable'],
    ['ENOBUFS', 'no buffer space'],
    ['EPERM', 'operation not permitted'],
    ['EWHATEVER', 'EWHATEVER'],
  ])('is said in words for %s, as other programs do: %s', (code, text) => {
    expect(systemErrorText(code)).toBe(text);
  });
});

describe('a relay that does not answer', () => {
  const event = {
    type: 'no-answer',
    relay: { host: 'vpn.example.org', port: 51820 },
    silentMs: 180_000,
  } as const;
  const unreachable = {
    kind: 'unreachable',
    host: 'vpn.example.org',
    port: 51820,
    code: 'EHOSTUNREACH',
  } as const;

  it.each([
    [0, ''],
    [1, ', 1 connection waits'],
    [2, ', 2 connections wait'],
  ])('is named with how long, and the %i connections that wait', (waitingConnections, waiting) => {
    const text = noAnswerText({ ...event, waitingConnections, problem: unreachable });
    expect(text).toBe(
      `no answer from vpn.example.org:51820 for 3 min${waiting}: vpn.example.org cannot be reached, according to a router or the host itself (no route to host) (still trying)`,
    );
  });

  it('leaves the user a list of causes if none is known', () => {
    const text = noAnswerText({ ...event, waitingConnections: 0, problem: undefined });
    expect(text).toMatch(/: check that the relay runs, .* public key, .* clock is right \(still trying\)$/);
  });
});
