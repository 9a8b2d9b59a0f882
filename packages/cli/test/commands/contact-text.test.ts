import type { ContactProblem } from '@underpass/client';
import { describe, expect, it } from 'vitest';
import {
  cannotSendText,
  noAnswerText,
  problemAdvice,
  problemLine,
  systemErrorText,
} from '../../src/commands/contact-text.js';

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

describe('what keeps the client from its relay', () => {
  const UNKNOWN = "the relay's name vps does not exist";
  const LOOK = "check the name and this machine's network";

  it.each<[ContactProblem['kind'], string, string]>([
    ['unresolved', 'ENOTFOUND', `${UNKNOWN} (ENOTFOUND): ${LOOK}`],
    ['unresolved', 'ENODATA', `${UNKNOWN} (ENODATA): ${LOOK}`],
    ['unresolved', 'EAI_AGAIN', `the relay's name vps does not resolve yet (EAI_AGAIN): ${LOOK}`],
    [
      'cannot-send',
      'EPERM',
      "this machine cannot send to vps (operation not permitted): check this machine's network and its own firewall",
    ],
    [
      'unreachable',
      'EHOSTUNREACH',
      'vps cannot be reached, according to a router or the host itself (no route to host): check the address and the firewalls on the path',
    ],
    [
      'not-listening',
      'ECONNREFUSED',
      'vps answers, but nothing listens on UDP 51820: start the relay, or check the port; a firewall that rejects packets looks the same',
    ],
  ])('is explained, with what to do about it: %s with %s', (kind, code, text) => {
    const problem: ContactProblem = { kind, host: 'vps', port: 51820, code };
    expect(problemAdvice(problem)).toBe(text);
    expect(problemLine(problem)).toBe(`${text} (still trying)`);
  });

  it('may be on the side of the relay, whose log then says so', () => {
    expect(cannotSendText('192.0.2.1', 'ENETDOWN')).toBe(
      'this machine cannot send to 192.0.2.1 (network is down): check its network and its own firewall',
    );
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
    expect(noAnswerText({ ...event, waitingConnections: 0, problem: undefined })).toBe(
      "no answer from vpn.example.org:51820 for 3 min: check that the relay runs, that UDP reaches it, that each side has the other's public key, and that this machine's clock is right (still trying)",
    );
  });
});
