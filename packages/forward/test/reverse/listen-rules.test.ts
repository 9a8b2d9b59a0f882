import { describe, expect, it } from 'vitest';
import { MAX_CHOSEN_PORTS } from '../../src/forward-constants.js';
import type { ListenPlace } from '../../src/forward-spec.js';
import {
  isListenPermitted,
  judgeListen,
  type ListenRule,
  listenRuleFor,
  parseListenRule,
  type RelayPlace,
  relayPlaceOf,
} from '../../src/reverse/listen-rules.js';
import { MAX_UNIX_PATH_BYTES } from '../../src/unix-path.js';

function listenRules(...texts: readonly string[]): ListenRule[] {
  return texts.map((text) => {
    const rule = parseListenRule(text);
    if ('reason' in rule) throw new Error(rule.reason);
    return rule;
  });
}

describe('a listen rule (spec reverse 3)', () => {
  it.each([
    ['8080', '8080'],
    ['localhost:8080', '8080'],
    ['LOCALHOST:8000-8010', '8000-8010'],
    ['*', '*'],
    ['1024-65535', '*'],
    ['*:8080', '*:8080'],
    ['*:*', '*:*'],
    ['0.0.0.0:80', '0.0.0.0:80'],
    ['[::]:80', '*:80'],
    ['[2001:DB8:0::1]:443', '[2001:db8::1]:443'],
    ['[::ffff:192.0.2.1]:443', '192.0.2.1:443'],
    ['127.0.0.1:1-1023', '127.0.0.1:1-1023'],
    ['unix:/run/web.sock', 'unix:/run/web.sock'],
    ['1024-65534', '1024-65534'],
    ['1025-65535', '1025-65535'],
    ['65535', '65535'],
    ['1', '1'],
    ['8080-8080', '8080'],
    [`unix:/${'a'.repeat(MAX_UNIX_PATH_BYTES - 1)}`, `unix:/${'a'.repeat(MAX_UNIX_PATH_BYTES - 1)}`],
  ])('%s is kept as %s, which means the same', (text, canonical) => {
    const [rule] = listenRules(text);
    expect(rule?.text).toBe(canonical);
    expect(parseListenRule(canonical)).toEqual(rule);
  });

  it.each([
    ['', "'' has no port"],
    ['127.0.0.1', "'127.0.0.1' has no port"],
    ['example.com:80', "'example.com' is not a valid address to listen on"],
    ['::1:80', "'::1' is not a valid address"],
    ['[127.0.0.1]:80', "'[127.0.0.1]' is not a valid address"],
    ['fe80::1%eth0:80', "'fe80::1%eth0' is not a valid address"],
    [':80', "'' is not a valid address"],
    ['0', "'0' is not a valid port"],
    ['65536', "'65536' is not a valid port"],
    ['9-8', "'9-8' is not a valid port"],
    ['-8', "'-8' is not a valid port"],
    ['8-', "'8-' is not a valid port"],
    ['0-8', "'0-8' is not a valid port"],
    ['8-65536', "'8-65536' is not a valid port"],
    ['1-2-3', "'1-2-3' is not a valid port"],
    ['localhost:127.0.0.1', "'127.0.0.1' is not a valid port"],
    ['localhost:', "'localhost:' has no port"],
    ['[::1:80', "'[::1' is not a valid address"],
    ['::1]:80', "'::1]' is not a valid address"],
    ['http', "'http' is not a valid port"],
    ['http://localhost:80', 'contains http://'],
    ['1'.repeat(113), 'longer than 112 bytes'],
    ['unix:web.sock', "'web.sock' is not an absolute path"],
    ['/run/web.sock', "'/run/web.sock' is not a valid port"],
  ])('%s is refused, with a reason', (text, reason) => {
    expect(parseListenRule(text)).toMatchObject({ reason: expect.stringContaining(reason) });
  });
});

describe('a place to listen on', () => {
  const judge = (rules: readonly string[], bind: string, port: number) =>
    judgeListen(listenRules(...rules), { bind, port });

  it('is refused without a rule (spec reverse 3: "MUST NOT listen on anything")', () => {
    expect(judge([], 'localhost', 8080)).toEqual({
      permitted: false,
      advice: 'no listen rule allows localhost:8080; to allow it, add 8080 to allow_listen',
    });
    expect(judge(['8081', '*:8079'], 'localhost', 8080).permitted).toBe(false);
    expect(judge([], '::1', 8080)).toMatchObject({ advice: expect.stringContaining('add [::1]:8080 to') });
  });

  it.each(['localhost', '127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'])(
    '%s needs only a rule with a port',
    (bind) => expect(judge(['8080'], bind, 8080)).toMatchObject({ permitted: true, ports: [8080] }),
  );

  it.each(['*', '::', '0.0.0.0', '192.0.2.1', '2001:db8::1'])(
    'other than loopback has to be listed: %s (spec reverse 3)',
    (bind) => {
      expect(judge(['8080', 'localhost:*', '192.0.2.2:8080'], bind, 8080).permitted).toBe(false);
      expect(judge(['*:8080'], bind, 8080).permitted).toBe(true);
    },
  );

  it('that is an address is permitted by a rule with that address', () => {
    expect(judge(['192.0.2.1:8080'], '192.0.2.1', 8080)).toEqual({
      permitted: true,
      bind: '192.0.2.1',
      ports: [8080],
    });
    expect(judge(['192.0.2.1:8080'], '::ffff:192.0.2.1', 8080)).toMatchObject({ bind: '192.0.2.1' });
    expect(judge(['192.0.2.1:8080'], 'localhost', 8080).permitted).toBe(false);
    expect(judge(['192.0.2.1:8080'], '*', 8080).permitted).toBe(false);
    expect(judge(['0.0.0.0:8080'], '*', 8080).permitted).toBe(false);
    expect(judge(['0.0.0.0:8080'], '0.0.0.0', 8080).permitted).toBe(true);
  });

  it('with a port below 1024 has to be listed by number (spec reverse 3: "MUST NOT permit a port below 1024")', () => {
    expect(judge(['*', '*:*'], 'localhost', 1023)).toEqual({
      permitted: false,
      advice:
        'no listen rule allows localhost:1023; to allow it, add 1023 to allow_listen (* does not include ports below 1024)',
    });
    expect(judge(['*'], 'localhost', 1024).permitted).toBe(true);
    expect(judge(['1-65535'], 'localhost', 80).permitted).toBe(true);
  });

  it('is refused with that hint only below 1024', () => {
    const advice = 'no listen rule allows localhost:1024; to allow it, add 1024 to allow_listen';
    expect(judge([], 'localhost', 1024)).toEqual({ permitted: false, advice });
    expect(judge(['1024-65535'], 'localhost', 65_535).permitted).toBe(true);
  });

  it('is permitted by any of several rules, and by no rule for another address', () => {
    const rules = ['unix:/run/a.sock', '9000-9001', '192.0.2.1:7000', 'unix:/run/b.sock'];
    const permitted = (bind: string, port: number) => judge(rules, bind, port).permitted;
    expect([permitted('/run/b.sock', 0), permitted('localhost', 9001)]).toEqual([true, true]);
    expect([permitted('localhost', 8999), permitted('localhost', 9002)]).toEqual([false, false]);
    expect([permitted('127.0.0.1', 7000), permitted('192.0.2.1', 9000)]).toEqual([false, false]);
  });

  it('with port 0 gets one of the ports that the system chooses only if all are permitted', () => {
    expect(judge(['1024-1025'], 'localhost', 0)).toMatchObject({ ports: [1024, 1025] });
    expect(judge(['65534-65535'], 'localhost', 0)).toMatchObject({ ports: [65_534, 65_535] });
  });

  it.each<[ListenPlace, RelayPlace, string]>([
    [{ bind: { kind: 'loopback' }, port: 80 }, { bind: 'localhost', port: 80 }, '80'],
    [{ bind: { kind: 'all' }, port: 80 }, { bind: '*', port: 80 }, '*:80'],
    [{ bind: { kind: 'host', host: '::1' }, port: 0 }, { bind: '::1', port: 0 }, '[::1]:*'],
    [{ path: '/run/a.sock' }, { bind: '/run/a.sock', port: 0 }, 'unix:/run/a.sock'],
  ])('of a forward, %j, is asked for as %j and needs the rule %s', (place, asked, rule) => {
    expect(relayPlaceOf(place)).toEqual(asked);
    expect(listenRuleFor(asked)).toBe(rule);
    expect(judgeListen(listenRules(rule), asked).permitted).toBe(true);
  });

  it('with port 0 gets a port that a rule permits (spec reverse 3: "MUST choose a port")', () => {
    expect(judge(['8000-8001', '*'], 'localhost', 0)).toMatchObject({ ports: [0] });
    expect(judge(['8000-8001', '9000', '*:7000'], 'localhost', 0)).toMatchObject({
      ports: [8000, 8001, 9000, 7000],
    });
    expect(judge(['8000', '*:7000'], '*', 0)).toMatchObject({ ports: [7000] });
    expect(judge(['1-65535'], 'localhost', 0)).toMatchObject({
      ports: Array.from({ length: MAX_CHOSEN_PORTS }, (_, index) => index + 1),
    });
    expect(judge(['*'], '*', 0)).toEqual({
      permitted: false,
      advice: 'no listen rule allows *:*; to allow it, add *:* to allow_listen',
    });
  });

  it('that is a unix socket needs a rule with exactly its path', () => {
    expect(judge(['unix:/run/web.sock'], '/run/web.sock', 0)).toEqual({
      permitted: true,
      bind: '/run/web.sock',
      ports: [0],
    });
    expect(judge(['*', '*:*', '*:1-1023', 'unix:/run/web.sock2'], '/run/web.sock', 0)).toEqual({
      permitted: false,
      advice: 'no listen rule allows unix:/run/web.sock; to allow it, add unix:/run/web.sock to allow_listen',
    });
    expect(judge(['unix:/run/web.sock'], 'localhost', 0).permitted).toBe(false);
  });

  it('is judged again by where it listens now', () => {
    expect(isListenPermitted(listenRules('8000-8010'), { bind: 'localhost', port: 8010 })).toBe(true);
    expect(isListenPermitted(listenRules('8000-8009'), { bind: 'localhost', port: 8010 })).toBe(false);
  });
});
