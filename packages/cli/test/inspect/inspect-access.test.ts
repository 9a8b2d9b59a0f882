import { describe, expect, it } from 'vitest';
import { InspectAccess, isLoopbackHost, type Session } from '../../src/inspect/inspect-access.js';

/** Draws different bytes each time. */
function access(): InspectAccess {
  let draws = 0;
  return new InspectAccess((length) => new Uint8Array(length).fill(++draws));
}

function opened(one: InspectAccess): Session & { readonly cookie: string } {
  const session = one.open(one.token) as Session;
  return { ...session, cookie: session.setCookie.split(';')[0] as string };
}

describe('the access to the inspector', () => {
  it('draws the token, the cookie and the path from 32 bytes each', () => {
    const lengths: number[] = [];
    new InspectAccess((length) => {
      lengths.push(length);
      return new Uint8Array(length);
    });
    expect(lengths).toEqual([32, 32, 32]);
  });

  it('exchanges the token once', () => {
    const one = access();
    expect(one.open(one.token)).toEqual({
      path: expect.stringMatching(/^\/[\w-]{43}\/$/),
      setCookie: expect.stringMatching(
        /^underpass-inspector=[\w-]{43}; Path=\/[\w-]{43}\/; HttpOnly; SameSite=Strict$/,
      ),
    });
    expect(one.open(one.token)).toBe('used');
  });

  it('refuses any other token, which does not use up the right one', () => {
    const one = access();
    for (const wrong of ['', 'x', one.token.slice(1), `${one.token}x`]) expect(one.open(wrong)).toBe('wrong');
    expect(one.open(one.token)).toHaveProperty('path');
  });

  it('admits requests of the session, and says what they ask for', () => {
    const one = access();
    const { path, cookie } = opened(one);
    expect(one.admit(path, cookie)).toBe('');
    expect(one.admit(`${path}page.js`, `a=b; ${cookie}`)).toBe('page.js');
    // Another program on this machine may have set a cookie of the same name.
    expect(one.admit(path, `underpass-inspector=other; ${cookie}`)).toBe('');
  });

  it('admits nothing without the cookie, with another one, on another path, or before the exchange', () => {
    const one = access();
    const { path, cookie } = opened(one);
    expect(one.admit(path, undefined)).toBeUndefined();
    expect(one.admit(path, `${cookie}x`)).toBeUndefined();
    expect(one.admit(path, `underpass-inspector=${one.token}`)).toBeUndefined();
    expect(one.admit(path, cookie.replace('underpass-inspector', 'underpass-inspection'))).toBeUndefined();
    expect(one.admit(path, cookie.replace('underpass-inspector', 'overpasses-inspector'))).toBeUndefined();
    expect(one.admit('/', cookie)).toBeUndefined();
    expect(one.admit('/snapshots', cookie)).toBeUndefined();
    expect(access().admit(path, cookie)).toBeUndefined();
  });
});

describe('the Host header', () => {
  it.each(['127.0.0.1', '127.0.0.1:7000', 'localhost:7000', 'LOCALHOST', '[::1]:7000'])(
    '%s is right',
    (host) => {
      expect(isLoopbackHost(host)).toBe(true);
    },
  );

  it.each([
    undefined,
    '',
    'example.org',
    'localhost.example.org:80',
    '127.0.0.1.example.org',
    '192.0.2.1',
    'x@localhost',
    '0.0.0.0',
    '127.0.0.1:7000:1',
  ])('%s is wrong', (host) => expect(isLoopbackHost(host)).toBe(false));
});
