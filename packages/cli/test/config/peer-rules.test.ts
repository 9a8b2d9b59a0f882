import { parseAllowRule, parseListenRule, parseMaxRate } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import {
  onlyRules,
  type PeerRules,
  peerRulesOf,
  peerRulesShape,
  peerRulesTable,
  rulesText,
} from '../../src/config/peer-rules.js';

function parsed<T extends object>(result: T | { readonly reason: string }): T {
  if ('reason' in result) throw new Error(String(result.reason));
  return result as T;
}
const allow = ['localhost:80', '10.0.0.0/8:443'].map((text) => parsed(parseAllowRule(text)));
const allowListen = ['8080', '*:9000-9010'].map((text) => parsed(parseListenRule(text)));
const maxRate = parsed(parseMaxRate('10 MB/s'));

describe('the rules of a peer', () => {
  it.each<[string, PeerRules, object, string]>([
    ['nothing', { allow: [] }, { allow: [] }, 'may reach nothing'],
    [
      'targets',
      { allow },
      { allow: ['localhost:80', '10.0.0.0/8:443'] },
      'may reach localhost:80, 10.0.0.0/8:443',
    ],
    [
      'places to listen',
      { allow: [], allowListen },
      { allow: [], allow_listen: ['8080', '*:9000-9010'] },
      'may reach nothing, and may listen on 8080, *:9000-9010',
    ],
    [
      'a rate',
      { allow: [], maxRate },
      { allow: [], max_rate: '10 MB/s' },
      'may reach nothing, at most 10 MB/s in each direction',
    ],
    [
      'all of them',
      { allow, allowListen, maxRate },
      {
        allow: ['localhost:80', '10.0.0.0/8:443'],
        allow_listen: ['8080', '*:9000-9010'],
        max_rate: '10 MB/s',
      },
      'may reach localhost:80, 10.0.0.0/8:443, and may listen on 8080, *:9000-9010, at most 10 MB/s in each direction',
    ],
  ])('survive being written and read, and are said in words: %s', (_what, rules, table, words) => {
    expect(peerRulesTable(rules)).toEqual(table);
    const read = z.object(peerRulesShape).parse(peerRulesTable(rules));
    expect(peerRulesOf(read)).toStrictEqual(rules);
    expect(rulesText(rules)).toBe(words);
    expect(onlyRules({ ...rules, name: 'laptop' } as PeerRules)).toEqual(rules);
  });

  it('that permit no place to listen are written without one', () => {
    expect(peerRulesTable({ allow: [], allowListen: [] })).toEqual({ allow: [] });
  });
});
