import { REQUEST_STATUSES } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { adviceFor, failureAdvice, listenAdvice, visitorAdvice } from '../src/advice.js';

describe('the advice after a refusal', () => {
  const target = { host: 'db.example', port: 5432 };
  const refusals = REQUEST_STATUSES.filter((status) => status !== 'opened');

  it.each(refusals)('is one line for %s that names the target and what to do', (status) => {
    const advice = adviceFor(target, status);
    expect(advice).toContain('db.example');
    expect(advice).toMatch(/^[^\n]{20,160}$/);
  });

  it('is different for each status', () => {
    expect(new Set(refusals.map((status) => adviceFor(target, status))).size).toBe(refusals.length);
  });

  it('covers what the relay does not report', () => {
    for (const failure of ['relay-not-reached', 'connection-lost', 'reset', 'not-read'] as const) {
      const advice = failureAdvice(target, failure);
      expect(advice).toContain('db.example:5432');
      expect(advice).toMatch(/^[^\n]{20,160}$/);
    }
    expect(failureAdvice(target, 'timed-out')).toBe(adviceFor(target, 'timed-out'));
  });

  it('writes an IPv6 target in brackets', () => {
    expect(adviceFor({ host: '2001:db8::1', port: 80 }, 'timed-out')).toContain('[2001:db8::1]:80');
  });

  it('has words of its own for each failure, and for a unix socket', () => {
    const failures = ['relay-not-reached', 'connection-lost', 'reset', 'not-read'] as const;
    const said = failures.map((failure) => failureAdvice(target, failure));
    expect(new Set([...said, adviceFor(target, 'internal-error')]).size).toBe(failures.length + 1);
    const words = {
      'relay-not-reached': 'in time',
      'connection-lost': 'was lost',
      reset: 'reset',
      'not-read': 'read',
    };
    for (const [index, failure] of failures.entries()) expect(said[index]).toContain(words[failure]);
    expect(adviceFor({ path: '/run/db.sock' }, 'unreachable')).toContain('permissions on the relay');
    expect(adviceFor({ path: '/run/db.sock' }, 'name-not-found')).toBe(
      "there is no unix:/run/db.sock on the relay's machine: check the path",
    );
    expect(adviceFor({ path: '/run/db.sock' }, 'timed-out')).not.toContain('permissions');
    expect(adviceFor(target, 'unreachable')).toContain('no route');
    expect(adviceFor(target, 'address-in-use')).toContain('another program');
  });
});

describe('the advice for a reverse forward that the relay does not serve', () => {
  const place = { bind: 'localhost', port: 8080 };
  const statuses = [
    'not-allowed',
    'address-in-use',
    'unreachable',
    'too-many-streams',
    'malformed-request',
    'internal-error',
  ] as const;

  it('is one line for each status that names the place and what to do, and no two are alike', () => {
    const said = statuses.map((status) => listenAdvice(place, status, false));
    for (const advice of said) expect(advice).toMatch(/^[^\n]*localhost:8080[^\n]*: [^\n]+$/);
    expect(new Set(said).size).toBe(statuses.length);
  });

  it.each([
    [0, false],
    [1, true],
    [1023, true],
    [1024, false],
  ])('may miss a permission of the system for port %i: %s', (port, mayMiss) => {
    const advice = listenAdvice({ bind: 'localhost', port }, 'not-allowed', false);
    expect(advice.includes("the system's permission for ports below 1024")).toBe(mayMiss);
  });

  it('says whether the relay has listened before, if it may not', () => {
    expect(listenAdvice(place, 'not-allowed', false)).toContain('does not let this client listen');
    expect(listenAdvice(place, 'not-allowed', true)).toContain('no longer lets this client listen');
  });
});

it('a visitor of this program is said to be lost, to have left, or to have reset its connection', () => {
  const said = (['connection-lost', 'not-read', 'reset'] as const).map((failure) =>
    visitorAdvice('192.0.2.1 port 5', failure),
  );
  expect(said).toEqual([
    'the visitor from 192.0.2.1 port 5 was lost with the connection to the relay',
    'the visitor from 192.0.2.1 port 5 closed the connection before it had read everything',
    'the visitor from 192.0.2.1 port 5 reset the connection',
  ]);
});
