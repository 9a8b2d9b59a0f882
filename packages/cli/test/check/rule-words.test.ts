import { parseAllowRule, parseListenRule } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { allowWords, isForNames, listenWords } from '../../src/check/rule-words.js';

describe('a rule in words', () => {
  it.each([
    ['localhost:80', "the relay's own machine (localhost), on port 80"],
    ['db.internal:5000-5010', 'the name db.internal, on ports 5000 to 5010'],
    ['*.example.org:*', 'every name below example.org, not example.org itself, on every port'],
    ['*:443', 'every name and every public address, on port 443'],
    ['10.0.0.0/8:443', 'every address in 10.0.0.0/8, on port 443'],
    ['192.0.2.1:22', 'the address 192.0.2.1, on port 22'],
    ['[2001:db8::/32]:443', 'every address in [2001:db8::/32], on port 443'],
    ['9.9.9.9:53/udp', 'the address 9.9.9.9, on UDP port 53'],
    ['9.9.9.9:*/udp', 'the address 9.9.9.9, on every UDP port'],
    ['9.9.9.9:1-65534', 'the address 9.9.9.9, on ports 1 to 65534'],
    ['9.9.9.9:2-65535', 'the address 9.9.9.9, on ports 2 to 65535'],
    ['unix:/run/app.sock', "the unix socket /run/app.sock of the relay's machine"],
  ])('%s permits %s', (text, words) => {
    const rule = parseAllowRule(text);
    expect('reason' in rule ? rule.reason : allowWords(rule)).toBe(words);
  });

  it.each([
    ['8080', "port 8080 of the relay's machine, for programs there"],
    ['*:9000-9010', "ports 9000 to 9010 of the relay's machine, for everybody who reaches it"],
    ['192.0.2.1:80', "port 80 of the relay's machine, at its address 192.0.2.1"],
    ['*:1-65535', "every port of the relay's machine, for everybody who reaches it"],
    ['unix:/run/app.sock', "the unix socket /run/app.sock of the relay's machine"],
  ])('%s permits to listen on %s', (text, words) => {
    const rule = parseListenRule(text);
    expect('reason' in rule ? rule.reason : listenWords(rule)).toBe(words);
  });

  it.each([
    ['db.internal:80', true],
    ['*.example.org:80', true],
    ['*:443', true],
    ['10.0.0.0/8:443', false],
    ['localhost:80', false],
    ['unix:/run/app.sock', false],
  ])('%s is for names: %s', (text, isFor) => {
    const rule = parseAllowRule(text);
    expect('reason' in rule ? rule.reason : isForNames(rule)).toBe(isFor);
  });
});
