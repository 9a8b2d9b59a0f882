import { describe, expect, it } from 'vitest';
import { Keypair } from '../../src/wireguard/keypair.js';
import { KeypairSlots } from '../../src/wireguard/keypair-slots.js';
import { SUITE } from './session-pair.js';

/** Slots that record the ids of the keypairs they destroy. */
function setUp() {
  const destroyed: number[] = [];
  const slots = new KeypairSlots((keypair) => destroyed.push(keypair.id));
  const make = (id: number): Keypair => {
    const keys = { send: new Uint8Array(32).fill(id), receive: new Uint8Array(32).fill(id) };
    return new Keypair(SUITE, keys, { id, createdAt: 0, isInitiator: true, localIndex: id, remoteIndex: id });
  };
  return { slots, make, destroyed };
}

const isWiped = (keypair: Keypair): boolean => {
  try {
    keypair.seal(new Uint8Array(64), 0, 0);
    return false;
  } catch {
    return true;
  }
};

describe('the slots of the initiator (spec session 2.2)', () => {
  it('keep the current keypair as the previous one, and destroy the one before it', () => {
    const { slots, make, destroyed } = setUp();
    const [first, second, third] = [make(1), make(2), make(3)];
    slots.addInitiated(first);
    slots.addInitiated(second);
    expect([slots.current, destroyed]).toEqual([second, []]);
    slots.addInitiated(third);
    expect([slots.current, destroyed]).toEqual([third, [1]]);
    expect([isWiped(first), isWiped(second)]).toEqual([true, false]);
  });

  it('keep the next keypair as the previous one, because the other side may already be sending under it', () => {
    const { slots, make, destroyed } = setUp();
    slots.addInitiated(make(1));
    const next = make(2);
    slots.addResponded(next);
    slots.addInitiated(make(3));
    expect(destroyed).toEqual([1]);
    expect(isWiped(next)).toBe(false);
    // It is no longer the next one.
    expect(slots.confirm(next)).toBe(false);
    slots.addInitiated(make(4));
    expect(destroyed).toEqual([1, 2]);
  });
});

describe('the slots of the responder (spec session 2.3)', () => {
  it('destroy the previous keypair and an older next one', () => {
    const { slots, make, destroyed } = setUp();
    slots.addInitiated(make(1));
    slots.addInitiated(make(2));
    slots.addResponded(make(3));
    expect(destroyed).toEqual([1]);
    slots.addResponded(make(4));
    expect(destroyed).toEqual([1, 3]);
    expect(slots.current?.id).toBe(2);
  });

  it('make the next keypair current with the first packet under it, and destroy the previous one', () => {
    const { slots, make, destroyed } = setUp();
    const [first, second, third] = [make(1), make(2), make(3)];
    slots.addResponded(first);
    expect(slots.current).toBeUndefined();
    expect(slots.confirm(first)).toBe(true);
    slots.addResponded(second);
    expect(slots.confirm(second)).toBe(true);
    expect([slots.current, slots.confirm(second)]).toEqual([second, false]);
    // The other side initiates again, and uses the new keypair.
    slots.addResponded(third);
    expect(destroyed).toEqual([1]);
    slots.confirm(third);
    expect([slots.current, destroyed]).toEqual([third, [1]]);
  });

  it('destroy a keypair that moved from next to previous, when another next one comes', () => {
    const { slots, make, destroyed } = setUp();
    slots.addInitiated(make(1));
    const next = make(2);
    slots.addResponded(next);
    slots.addInitiated(make(3));
    const another = make(4);
    slots.addResponded(another);
    expect(destroyed).toEqual([1, 2]);
    slots.confirm(another);
    slots.addInitiated(make(5));
    expect(destroyed).toEqual([1, 2, 3]);
  });
});

it('destroy each keypair when it is 180 s old, in any slot, and say when the next one will be (spec session 5.1, 8.1)', () => {
  const destroyed: number[] = [];
  const slots = new KeypairSlots((keypair) => destroyed.push(keypair.id));
  const make = (createdAt: number): Keypair => {
    const keys = { send: new Uint8Array(32).fill(1), receive: new Uint8Array(32).fill(2) };
    const options = { id: createdAt, createdAt, isInitiator: true, localIndex: 1, remoteIndex: 2 };
    return new Keypair(SUITE, keys, options);
  };
  slots.addInitiated(make(1));
  slots.addInitiated(make(2));
  slots.destroyExpired(180_000);
  expect(slots.nextExpiry).toBe(180_001);
  slots.destroyExpired(180_001);
  expect(slots.nextExpiry).toBe(180_002);
  slots.addResponded(make(3));
  expect(destroyed).toEqual([1]);
  slots.destroyExpired(180_002);
  expect(slots.nextExpiry).toBe(180_003);
  expect(slots.current).toBeUndefined();
  slots.destroyExpired(180_003);
  expect(slots.nextExpiry).toBeUndefined();
  expect(destroyed).toEqual([1, 2, 3]);
});

it('never hold more than three keypairs, and none after `destroyAll` (spec session 2.1, 8.1)', () => {
  const { slots, make, destroyed } = setUp();
  let made = 0;
  for (let round = 0; round < 60; round++) {
    const keypair = make(++made);
    if (round % 3 === 0) slots.addInitiated(keypair);
    else slots.addResponded(keypair);
    if (round % 4 === 2) slots.confirm(keypair);
    expect(new Set(destroyed).size).toBe(destroyed.length);
    expect(made - destroyed.length).toBeLessThanOrEqual(3);
  }
  slots.destroyAll();
  expect(destroyed.toSorted((a, b) => a - b)).toEqual(Array.from({ length: made }, (_, i) => i + 1));
  expect(slots.current).toBeUndefined();
});

describe('the current keypair', () => {
  it('is replaced by the previous one when it is dropped, and then by none', () => {
    const { slots, make, destroyed } = setUp();
    slots.addInitiated(make(1));
    slots.addInitiated(make(2));
    slots.dropCurrent();
    expect([slots.current?.id, destroyed]).toEqual([1, [2]]);
    expect(slots.view.map(({ slot }) => slot)).toEqual(['current']);
    slots.dropCurrent();
    expect([slots.current, slots.view, destroyed]).toEqual([undefined, [], [2, 1]]);
    slots.dropCurrent();
    expect(destroyed).toEqual([2, 1]);
  });
});

it('are empty after `destroyAll`, whichever were used, and destroy nothing twice (spec session 8.1)', () => {
  const fills: ((slots: KeypairSlots, make: (id: number) => Keypair) => void)[] = [
    (slots, make) => [1, 2].forEach((id) => void slots.addInitiated(make(id))),
    (slots, make) => {
      slots.addInitiated(make(1));
      slots.addResponded(make(2));
    },
  ];
  for (const fill of fills) {
    const { slots, make, destroyed } = setUp();
    fill(slots, make);
    slots.destroyAll();
    expect([destroyed.toSorted((a, b) => a - b), slots.view]).toEqual([[1, 2], []]);
    slots.destroyAll();
    expect(destroyed).toHaveLength(2);
  }
});
