import {
  parseDynamicForward,
  parseLocalForwards,
  parseReverseForwards,
  parseUdpForwards,
} from '@underpass/forward/syntax';
import { describe, expect, it } from 'vitest';
import { requireDistinctPlaces } from '../src/distinct-places.js';

type Parsed<T> = T extends { readonly reason: string } ? never : T;
function parsed<T>(result: T): Parsed<T> {
  if (typeof result === 'object' && result !== null && 'reason' in result)
    throw new Error(String(result.reason));
  return result as Parsed<T>;
}

const local = (text: string) => parsed(parseLocalForwards(text));
const udp = (text: string) => parsed(parseUdpForwards(text));
const reverse = (text: string) => parsed(parseReverseForwards(text));
const dynamic = (text: string) => parsed(parseDynamicForward(text));

describe('two forwards at the same place', () => {
  it.each([
    ['8080:a:1 and 8080:b:2', [...local('8080:a:1'), ...local('8080:b:2')]],
    ['1080:a:1 and 1080', [...local('1080:a:1'), dynamic('1080')]],
    ['/tmp/a.sock:a:1 and /tmp/a.sock:b:1', [...local('/tmp/a.sock:a:1'), ...local('/tmp/a.sock:b:1')]],
    ['53:a:1 and 53:b:1', [...udp('53:a:1'), ...udp('53:b:1')]],
    ['8080:a:1 and 8080:b:1', [...reverse('8080:a:1'), ...reverse('8080:b:1')]],
  ])('are refused: %s', (both, forwards) => {
    expect(() => requireDistinctPlaces(forwards)).toThrow(`two forwards listen at the same place: ${both}`);
  });

  it('are not those with port 0, with another protocol or address, or on the relay', () => {
    requireDistinctPlaces([
      ...[...local('0:a:1'), ...local('0:b:1')],
      ...[...local('8080:a:1'), ...local('192.0.2.1:8080:a:1'), ...local('*:8080:a:1')],
      ...[...udp('8080:a:1'), ...reverse('8080:a:1')],
    ]);
  });
});
