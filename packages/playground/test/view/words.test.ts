import { describe, expect, it } from 'vitest';
import type { Datagram } from '../../src/model/history.js';
import { bytes, fateMark, fateWords, milliseconds, routeWords } from '../../src/view/words.js';

const datagram = (parts: Partial<Datagram>): Datagram =>
  ({ origin: 'process', target: 'relay', lane: 0, fate: 'delivered', ...parts }) as Datagram;

describe('the words of the playground', () => {
  it.each([
    [0.123, '0.12 ms'],
    [9.99, '9.99 ms'],
    [10, '10.0 ms'],
    [9999.9, '9999.9 ms'],
    [10_000, '10.0 s'],
  ])('give a time of %f ms as %s', (ms, words) => {
    expect(milliseconds(ms)).toBe(words);
  });

  it.each([
    [9999, '9999 B'],
    [10_000, '10 kB'],
    [9_999_000, '9999 kB'],
    [10_000_000, '10.0 MB'],
  ])('give a size of %i bytes as %s', (count, words) => {
    expect(bytes(count)).toBe(words);
  });

  it('say where a datagram goes, and who made it', () => {
    expect(routeWords(datagram({}))).toBe('Client 1 to relay');
    expect(routeWords(datagram({ target: 'client', lane: 1 }))).toBe('Relay to client 2');
    const made = (['duplicate', 'replay', 'forgery', 'flood'] as const).map((origin) =>
      routeWords(datagram({ origin })),
    );
    const makers = ['your duplicate', 'your replay', 'your forgery', 'a stranger'];
    expect(made).toEqual(makers.map((maker) => `Client 1 to relay (${maker})`));
  });

  it('say what became of a datagram, with a mark that needs no colour', () => {
    const what = (parts: Partial<Datagram>) => [fateMark(datagram(parts)), fateWords(datagram(parts))];
    expect(what({ fate: 'under-way' })).toEqual(['→', 'on its way']);
    expect(what({})).toEqual(['✓', 'arrived']);
    expect(what({ fate: 'dropped' })).toEqual(['✕', 'dropped by you']);
    expect(what({ fate: 'queue-full' })).toEqual(['✕', 'lost: the queue was full']);
    expect(what({ refused: 'wrong-mac1' })).toEqual(['✕', 'arrived, but was dropped: it has a wrong mac1']);
  });
});
