import { describe, expect, it } from 'vitest';
import { closestName, editDistance } from '../../src/config/closest-name.js';

describe('the closest name', () => {
  it.each([
    ['lisen', 'listen'],
    ['allwo', 'allow'],
    ['public-key', 'public_key'],
    ['peers', 'peer'],
    ['Listen', 'listen'],
    ['LISEN', 'listen'],
    ['private_key', 'private_key_file'],
    ['listen_address', 'listen'],
  ])('for %s is %s', (word, meant) => {
    expect(closestName(word, ['listen', 'allow', 'public_key', 'peer', 'private_key_file'])).toBe(meant);
  });

  it('is undefined when no name is close', () => {
    expect(closestName('endpoint', ['listen', 'allow'])).toBeUndefined();
    expect(closestName('x', [])).toBeUndefined();
    expect(closestName('key', ['key_log_file', 'name'])).toBeUndefined();
    expect(closestName('memory', ['memory_limit_mib', 'memory_per_peer_mib'])).toBeUndefined();
  });

  it('counts an insertion, a deletion, a substitution and a swap as one edit each', () => {
    expect(editDistance('allow', 'alow')).toBe(1);
    expect(editDistance('alow', 'allow')).toBe(1);
    expect(editDistance('allow', 'allaw')).toBe(1);
    expect(editDistance('allow', 'allwo')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('same', 'same')).toBe(0);
  });
});
