import { REQUEST_STATUSES } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { adviceFor } from '../src/advice.js';

describe('what a client says of a refusal', () => {
  const target = { host: 'db.example', port: 5432 };
  const refusals = REQUEST_STATUSES.filter((status) => status !== 'opened');

  it.each(refusals)('for %s is one line that names the target and what to do', (status) => {
    const advice = adviceFor(target, status);
    expect(advice).toContain('db.example');
    expect(advice).toMatch(/^[^\n]{20,160}$/);
  });

  it('differs for each reason', () => {
    expect(new Set(refusals.map((status) => adviceFor(target, status))).size).toBe(refusals.length);
  });

  it('writes an IPv6 target in brackets', () => {
    expect(adviceFor({ host: '2001:db8::1', port: 80 }, 'timed-out')).toContain('[2001:db8::1]:80');
  });
});
