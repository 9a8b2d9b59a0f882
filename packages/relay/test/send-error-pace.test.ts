import { describe, expect, it } from 'vitest';
import { SendErrorPace } from '../src/send-error-pace.js';

const TEN_MINUTES_MS = 10 * 60 * 1000;

describe('SendErrorPace', () => {
  it('permits one report of each kind of error in ten minutes', () => {
    const pace = new SendErrorPace();
    expect(pace.permits(5, 'ENETUNREACH')).toBe(true);
    expect(pace.permits(6, 'ENETUNREACH')).toBe(false);
    expect(pace.permits(6, 'EPERM')).toBe(true);
    expect(pace.permits(4 + TEN_MINUTES_MS, 'ENETUNREACH')).toBe(false);
    expect(pace.permits(5 + TEN_MINUTES_MS, 'ENETUNREACH')).toBe(true);
    expect(pace.permits(5 + TEN_MINUTES_MS, 'EPERM')).toBe(false);
    expect(pace.permits(4 + 2 * TEN_MINUTES_MS, 'ENETUNREACH')).toBe(false);
  });
});
