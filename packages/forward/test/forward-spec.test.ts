/** Targets and ports as they are written. */
import { describe, expect, it } from 'vitest';
import { ANY_UDP_TARGET, formatTarget, parsePort, THIS_PROGRAM } from '../src/forward-spec.js';

describe('a target', () => {
  it.each([
    [{ host: 'db', port: 5432 }, 'db:5432'],
    [{ host: '::1', port: 80 }, '[::1]:80'],
    [{ host: 'dns', port: 53, protocol: 'udp' } as const, 'dns:53/udp'],
    [{ host: '::1', port: 53, protocol: 'udp' } as const, '[::1]:53/udp'],
    [{ path: '/run/a.sock' }, 'unix:/run/a.sock'],
    [ANY_UDP_TARGET, '*:*/udp'],
    [{ ...ANY_UDP_TARGET }, '*:0/udp'],
    [THIS_PROGRAM, THIS_PROGRAM.host],
    [{ ...THIS_PROGRAM }, `${THIS_PROGRAM.host}:${THIS_PROGRAM.port}`],
  ])('%j is written %s', (target, text) => {
    expect(formatTarget(target)).toBe(text);
  });
});

describe('a port', () => {
  it.each<[string, number, number | undefined]>([
    ['0', 0, 0],
    ['0', 1, undefined],
    ['1', 1, 1],
    ['65535', 1, 65_535],
    ['65536', 0, undefined],
    ['99999', 0, undefined],
    ['100000', 0, undefined],
    ['00', 0, undefined],
    ['080', 0, undefined],
    ['+1', 0, undefined],
    ['-1', 0, undefined],
    ['1.5', 0, undefined],
    [' 1', 0, undefined],
    ['', 0, undefined],
  ])('%j from %i on is %s', (text, lowest, expected) => {
    expect(parsePort(text, lowest)).toBe(expected);
  });
});
