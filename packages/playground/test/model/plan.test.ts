import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACTION_PARAMETERS,
  type ActionKind,
  type Deed,
  readDeed,
  writeDeed,
} from '../../src/model/actions.js';
import { MAX_ACTIONS, MAX_LINK_CHARACTERS } from '../../src/model/limits.js';
import { EMPTY_PLAN, onGrid, type Plan, readPlan, writePlan } from '../../src/model/plan.js';

const GOOD = 'v=1&seed=7&clients=bbr&link=shared,40,1,4000,32,0&at=12.5&do=5:drop,1;6:peer';

describe('a link', () => {
  it('states the whole plan in readable text', () => {
    const read = readPlan(GOOD);
    expect(read).toMatchObject({
      plan: {
        setup: { seed: 7, clients: ['bbr'], isLinkShared: true, link: { delayMs: 40, lossPercent: 1 } },
        actions: [
          { at: 5, kind: 'drop', datagram: 1 },
          { at: 6, kind: 'peer' },
        ],
        at: 12.5,
      },
    });
    expect(writePlan((read as { plan: Plan }).plan)).toBe(GOOD);
  });

  it.each([
    ['', "does not begin with 'v=1'"],
    ['top', "does not begin with 'v=1'"],
    [GOOD.replace('v=1', 'v=2'), 'another version of this page (2, this is 1)'],
    [GOOD.replace('&at=12.5', ''), "has no 'at'"],
    [`${GOOD}&seed=7`, "has 'seed' twice"],
    [GOOD.replace('seed=7', 'seed=x'), "has 'seed=x': expected a whole number"],
    [GOOD.replace('bbr', 'vegas'), "has 'clients=vegas': expected one to 3 of newreno, cubic, bbr"],
    [GOOD.replace('bbr', 'bbr,bbr,bbr,bbr'), 'expected one to 3'],
    [GOOD.replace('40,1', '40,99'), "has 'link=shared,40,99,4000,32,0'"],
    [GOOD.replace(',32,0', ',32'), 'has '],
    [GOOD.replace(',32,0', ',32,0,1'), 'has '],
    [GOOD.replace('shared', 'both'), "expected 'shared' or 'own'"],
    [GOOD.replace('12.5', '1e3'), "has 'at=1e3'"],
    [GOOD.replace('12.5', '600001'), 'milliseconds up to 600000'],
    [GOOD.replace('drop,1', 'drop'), "'drop' takes 1 values"],
    [
      GOOD.replace('drop,1', 'drop,0'),
      "'drop,0' has '0' for datagram: expected a whole number from 1 to 20000",
    ],
    [GOOD.replace('drop,1', 'constructor,1'), "there is no action 'constructor'"],
    [GOOD.replace('6:peer', '4:peer'), 'out of order'],
    [GOOD.replace('6:peer', 'peer'), 'without a valid time'],
    [`${GOOD}&check=12`, '16 hexadecimal digits'],
    [`v=1&do=${'0:peer;'.repeat(MAX_ACTIONS + 1)}`, "has no 'seed'"],
    [
      GOOD.replace(
        '6:peer',
        Array(MAX_ACTIONS + 1)
          .fill('6:peer')
          .join(';'),
      ),
      'has more than 200 actions',
    ],
    ['v=1'.padEnd(MAX_LINK_CHARACTERS + 1, '&'), 'is longer than 8192 characters'],
  ])('that is wrong gets a reason: %s', (text, reason) => {
    expect((readPlan(text) as { problem: string }).problem).toContain(reason);
  });

  it('is never read as something else, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'v=1&seed=do:;,.-09abc') }), (text) => {
        const read = readPlan(`${GOOD}${text}`);
        if ('plan' in read) expect(readPlan(writePlan(read.plan))).toEqual(read);
      }),
    );
  });

  it('of an empty plan can be read', () => {
    expect(readPlan(writePlan(EMPTY_PLAN))).toEqual({ plan: EMPTY_PLAN });
  });
});

describe('an action', () => {
  it.each(Object.keys(ACTION_PARAMETERS) as ActionKind[])('%s survives being written', (kind) => {
    const deed = Object.fromEntries([
      ['kind', kind],
      ...ACTION_PARAMETERS[kind].map((parameter) => [
        parameter.name,
        'words' in parameter ? parameter.words[0] : parameter.range.min,
      ]),
    ]) as unknown as Deed;
    expect(readDeed(writeDeed(deed))).toEqual(deed);
  });
});

describe('the grid of times', () => {
  it('is not before the moment of an event, which is not a round number', () => {
    expect(onGrid(5333.088000000001)).toBe(5333.089);
  });

  it('is microseconds, and never earlier', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 600_000, noNaN: true }), (ms) => {
        const at = onGrid(ms);
        expect(at).toBeGreaterThanOrEqual(ms);
        expect(at - ms).toBeLessThan(0.00101);
        expect(onGrid(at)).toBe(at);
        expect(Number(String(at))).toBe(at);
      }),
    );
  });
});
