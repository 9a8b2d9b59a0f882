import { isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { MAX_RELAY_ADDRESSES } from '../src/client-constants.js';
import {
  isUnknownName,
  type NameLookup,
  resolveRelay,
  systemLookup,
  unknownNameError,
} from '../src/relay-address.js';

const RELAY = { host: 'relay.example', port: 1 };

function failing(code: string): NameLookup {
  return () => Promise.reject(Object.assign(new Error('x'), { code }));
}

describe("the relay's address", () => {
  it('is used as written if it is an IP literal', async () => {
    const found = await resolveRelay({ host: '2001:db8::1', port: 1 }, undefined, failing('not to be asked'));
    expect(found).toEqual([{ address: '2001:db8::1', port: 1 }]);
  });

  it('alternates between IPv6 and IPv4, up to a limit (spec outage 7)', async () => {
    const many = [
      '2001:db8::1',
      '2001:db8::2',
      '192.0.2.1',
      '192.0.2.2',
      '192.0.2.3',
      '192.0.2.4',
      '192.0.2.5',
    ];
    const found = await resolveRelay(RELAY, undefined, async () => many);
    expect(found).toHaveLength(MAX_RELAY_ADDRESSES);
    expect(found.slice(0, 3)).toEqual(
      ['2001:db8::1', '192.0.2.1', '2001:db8::2'].map((address) => ({ address, port: 1 })),
    );
    const [first] = await resolveRelay(RELAY, 'ipv4', async () => many);
    expect(first).toEqual({ address: '192.0.2.1', port: 1 });
  });

  it.each([
    ['does not exist', failing('ENOTFOUND'), 'ENOTFOUND', true],
    ['has no address', async () => [], 'ENODATA', true],
    ['cannot be looked up now, as at boot', failing('EAI_AGAIN'), 'EAI_AGAIN', false],
  ] as const)('is replaced by the reason when the name %s', async (_what, lookUp, code, isUnknown) => {
    expect(await resolveRelay(RELAY, undefined, lookUp)).toBe(code);
    expect(isUnknownName(code)).toBe(isUnknown);
  });

  it('that does not exist is quoted, with the reason of the system and what to do', () => {
    expect(unknownNameError('relay.example', 'ENOTFOUND')).toMatchObject({
      code: 'name-not-found',
      message: "the relay's name relay.example does not exist (ENOTFOUND)",
      hint: "check the name and this machine's network",
    });
  });

  it('comes from the resolver of the system by default', async () => {
    const found = await systemLookup('localhost');
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter((address) => isIP(address) === 0)).toEqual([]);
  });
});
