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
    ['PRIVATE_KEY', 'private_key_file'],
    ['priv', 'private_key_file'],
    ['pblc_key', 'public_key'],
    ['peer_allow', 'peer'],
  ])('for %s is %s', (word, meant) => {
    expect(closestName(word, ['listen', 'allow', 'public_key', 'peer', 'private_key_file'])).toBe(meant);
  });

  it('is undefined when no name is close', () => {
    expect(closestName('endpoint', ['listen', 'allow'])).toBeUndefined();
    expect(closestName('x', [])).toBeUndefined();
    expect(closestName('key', ['key_log_file', 'name'])).toBeUndefined();
    expect(closestName('memory', ['memory_limit_mib', 'memory_per_peer_mib'])).toBeUndefined();
  });

  it('is the nearest of several, and the first of those that are equally near', () => {
    expect(closestName('listens', ['listen', 'listing'])).toBe('listen');
    expect(closestName('listens', ['listing', 'listen'])).toBe('listen');
    expect(closestName('allow', ['allox', 'alloy'])).toBe('allox');
  });

  it('may be one edit away from a short word, but no more', () => {
    expect(closestName('mo', ['mu'])).toBe('mu');
    expect(closestName('xy', ['mu'])).toBeUndefined();
    expect(closestName('pri', ['private_key_file'])).toBeUndefined();
    expect(closestName('mtu_bytes', ['mtu'])).toBeUndefined();
  });

  it('counts several edits, among them swaps of neighbours, each once', () => {
    expect(editDistance('xab', 'yba')).toBe(2);
    expect(editDistance('abcd', 'badc')).toBe(2);
    expect(editDistance('ca', 'abc')).toBe(3);
    expect(editDistance('kitten', 'sitting')).toBe(3);
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
