/** Why a relay refuses a flow, and what happens to one while its socket is being opened. */
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { DIAL_TIMEOUT_MS } from '../src/forward-constants.js';
import { encodeRequest } from '../src/request.js';
import { byteOf, settled, setUp } from './played-flows.js';

const failing = (code: string) => () => Object.assign(new Error(code), { code });
type Parts = ReturnType<typeof setUp>;

/** Both kinds of flow, with what asks for one. */
const KINDS: readonly (readonly [string, (parts: Parts) => ReturnType<Parts['begin']>])[] = [
  ['with one target', ({ accept }) => accept('192.0.2.9', 53)],
  ['without a fixed target', ({ begin }) => begin(encodeRequest({ kind: 'udp-socket' }))],
];

describe.each(KINDS)('a flow %s', (kind, begin) => {
  it.each(['EMFILE', 'ENFILE'])(
    'is refused for lack of descriptors when its socket fails with %s',
    async (code) => {
      const parts = setUp(['192.0.2.9:53/udp'], { failure: failing(code) });
      const { stream } = begin(parts);
      await settled();
      await settled();
      expect(stream.written[0]).toBe(byteOf('internal-error'));
      expect(parts.heard).toEqual([expect.stringContaining('out of file descriptors')]);
    },
  );

  it('says that there is no route, or what else the system said', async () => {
    const parts = setUp(['192.0.2.9:53/udp'], { failure: failing('ENETUNREACH') });
    begin(parts);
    await settled();
    await settled();
    expect(parts.heard).toEqual([
      kind === 'with one target'
        ? 'unreachable: 192.0.2.9:53/udp cannot be reached from this machine: there is no route to it'
        : 'internal-error: a UDP socket could not be opened (ENETUNREACH)',
    ]);
  });

  it('is refused if its rules go while its socket is being opened (spec forwarding 5.2)', async () => {
    const parts = setUp(['192.0.2.9:53/udp']);
    const { stream } = begin(parts);
    parts.setRules('192.0.2.9:53');
    await settled();
    expect(stream.written[0]).toBe(byteOf('not-allowed'));
    expect(parts.sockets.map(({ isClosed }) => isClosed)).toEqual([true]);
    expect(parts.heard).toEqual([expect.stringMatching(/^not-allowed: .* rule/)]);
    expect(parts.timers.pending).toBe(0);
  });

  it('whose peer gives up meanwhile is over, and its socket is closed', async () => {
    const parts = setUp(['192.0.2.9:53/udp']);
    const { handler, stream } = begin(parts);
    handler.onReset?.(StreamErrorCode.cancelled);
    await settled();
    expect(parts.sockets.map(({ isClosed }) => isClosed)).toEqual([true]);
    expect([parts.heard, stream.written.length, parts.timers.pending]).toEqual([[], 0, 0]);
  });

  it('whose peer gives up while a first socket fails asks for no second', async () => {
    let attempts = 0;
    const failure = (): Error => {
      attempts++;
      return new Error('EAFNOSUPPORT');
    };
    const parts = setUp(['*:53/udp'], { failure, resolve: async () => ['9.9.9.9', '8.8.8.8'] });
    const { handler } = kind === 'with one target' ? parts.accept('dns.example', 53) : begin(parts);
    while (attempts === 0) await Promise.resolve();
    handler.onReset?.(StreamErrorCode.cancelled);
    await settled();
    expect([attempts, parts.heard]).toEqual([1, []]);
  });

  it('that ends with its request carries the messages that came with it', async () => {
    const parts = setUp(['192.0.2.9:53/udp']);
    const { stream, handler } = begin(parts);
    stream.arriveFin();
    handler.onReadable?.();
    await settled();
    expect(stream.written[0]).toBe(byteOf('opened'));
    expect(parts.heard.at(-1)).toBe('ended 0 0 true');
    expect([parts.sockets[0]?.isClosed, parts.timers.pending]).toEqual([true, 0]);
  });
});

describe('a flow to a name', () => {
  it('says how long it has waited for the name', async () => {
    const parts = setUp(['*:53/udp']);
    parts.accept('slow.example', 53);
    parts.timers.advance(DIAL_TIMEOUT_MS);
    expect(parts.heard).toEqual([
      "timed-out: slow.example did not resolve within 10 s: check this machine's DNS",
    ]);
    expect(parts.timers.pending).toBe(0);
  });

  it('is refused once, with the reason, when its name leads nowhere or where no rule permits (spec forwarding 3.4)', async () => {
    const answers: Record<string, readonly string[]> = { 'no.example': [], 'db.example': ['10.0.0.1'] };
    const parts = setUp(['*:53/udp'], { resolve: async (name) => answers[name] ?? [] });
    for (const name of Object.keys(answers)) {
      const { stream } = parts.accept(name, 53);
      await settled();
      await settled();
      expect(stream.written.length).toBe(1);
    }
    expect(parts.heard).toEqual([
      "name-not-found: no.example does not resolve here: check the name and this machine's DNS",
      expect.stringMatching('^not-allowed: db.example resolves to 10.0.0.1'),
    ]);
  });

  it('tries six of its addresses, the families in turn (spec forwarding 2.4)', async () => {
    const tried: string[] = [];
    const failure = (address: string) => {
      tried.push(address);
      return Object.assign(new Error('no route'), { code: 'ENETUNREACH' });
    };
    const ip6 = [1, 2, 3, 4].map((n) => `2600::${n}`);
    const ip4 = [1, 2, 3, 4].map((n) => `9.9.9.${n}`);
    const parts = setUp(['*:53/udp'], { failure, resolve: async () => [...ip6, ...ip4] });
    parts.accept('dns.example', 53);
    for (let turn = 0; turn < 10; turn++) await settled();
    expect(tried).toEqual(['2600::1', '9.9.9.1', '2600::2', '9.9.9.2', '2600::3', '9.9.9.3']);
  });

  it('stops waiting when the name is known, with or without addresses', async () => {
    for (const addresses of [[], ['9.9.9.9']]) {
      const parts = setUp(['*:53/udp'], { resolve: async () => addresses });
      const { stream } = parts.accept('dns.example', 53);
      await settled();
      await settled();
      expect(stream.written[0]).toBe(byteOf(addresses.length > 0 ? 'opened' : 'name-not-found'));
      parts.timers.advance(5_000);
      // An open flow waits for messages.
      expect(parts.timers.pending).toBe(addresses.length);
      parts.timers.advance(DIAL_TIMEOUT_MS - 5_000 - 1);
      expect(stream.written.length).toBe(1);
    }
  });
});

it('a flow without a fixed target needs one rule for UDP among all rules', async () => {
  const parts = setUp(['192.0.2.1:53', '192.0.2.2:53/udp']);
  const { stream } = parts.begin(encodeRequest({ kind: 'udp-socket' }));
  await settled();
  expect(stream.written[0]).toBe(byteOf('opened'));
});

it('a flow reports a message that is too large once, whatever comes between', async () => {
  const parts = setUp(['192.0.2.9:53/udp']);
  const { stream } = parts.accept('192.0.2.9', 53);
  await settled();
  for (const length of [2000, 10, 3000]) parts.sockets[0]?.arrive('x'.repeat(length));
  expect([stream.sentDatagrams.length, parts.heard.slice(1)]).toEqual([1, ['2000 above 1040']]);
});
