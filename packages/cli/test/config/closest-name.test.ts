import { describe, expect, it } from 'vitest';
import { closestName, editDistance } from '../../src/config/closest-name.js';

describe('the closest name', () => {
  it.each([
    ['lisen', 'listen'],
    ['allwo', 'allow'],
    ['public-key', 'public_key'],
    ['peers', 'peer'],
    ['Listen', 'listen'],
  ])('takes %s for %s', (word, meant) => {
    expect(closestName(word, ['listen', 'allow', 'public_key', 'peer'])).toBe(meant);
  });

  it('guesses nothing when nothing is near', () => {
    expect(closestName('endpoint', ['listen', 'allow'])).toBeUndefined();
    expect(closestName('x', [])).toBeUndefined();
  });

  it('counts an edit for an insertion, a deletion, a substitution and a swap', () => {
    expect(editDistance('allow', 'alow')).toBe(1);
    expect(editDistance('alow', 'allow')).toBe(1);
    expect(editDistance('allow', 'allaw')).toBe(1);
    expect(editDistance('allow', 'allwo')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('same', 'same')).toBe(0);
  });
});
