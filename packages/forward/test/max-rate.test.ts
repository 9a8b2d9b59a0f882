import { describe, expect, it } from 'vitest';
import { parseMaxRate } from '../src/max-rate.js';

describe('a rate', () => {
  it.each([
    ['10 MB/s', 10e6],
    ['10MB/s', 10e6],
    ['100 Mbit/s', 12.5e6],
    ['1.5 MiB/s', 1.5 * 2 ** 20],
    ['1000 B/s', 1000],
    ['1 Gbit/s', 125e6],
    ['100 GB/s', 100e9],
  ])('%s is %d bytes a second', (text, bytesPerSecond) => {
    expect(parseMaxRate(text)).toEqual({ text, bytesPerSecond });
  });

  it.each([
    ['10', "'10' is not a rate: expected a number and a unit, for example 10 MB/s or 100 Mbit/s"],
    ['10 mb/s', "'10 mb/s' is not a rate: expected a number and a unit, for example 10 MB/s or 100 Mbit/s"],
    ['-1 MB/s', "'-1 MB/s' is not a rate: expected a number and a unit, for example 10 MB/s or 100 Mbit/s"],
    ['999 B/s', "'999 B/s' is not a possible rate: expected 1 kB/s to 100 GB/s"],
    ['101 GB/s', "'101 GB/s' is not a possible rate: expected 1 kB/s to 100 GB/s"],
  ])('cannot be %s', (text, reason) => {
    expect(parseMaxRate(text)).toEqual({ reason });
  });
});
