import fs, { readdirSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DescriptorGuard } from '../src/descriptor-guard.js';
import { DESCRIPTOR_LOOK_MS, DESCRIPTOR_WARNING_MS, RESERVED_DESCRIPTORS } from '../src/forward-constants.js';

function setUp(free: number) {
  const state = { free, now: 0, looks: 0 };
  const warnings: number[] = [];
  const guard = new DescriptorGuard({
    onShortage: (refused) => warnings.push(refused),
    now: () => state.now,
    canOpen: (count) => {
      state.looks++;
      return state.free >= count;
    },
  });
  return { guard, state, warnings };
}

// spec forwarding 2.7: "MUST NOT leave this to the system"
describe('the guard over file descriptors', () => {
  it('keeps some descriptors in reserve while connections take one each', () => {
    const { guard, state } = setUp(50);
    let taken = 0;
    while (taken < 100 && guard.hasRoom()) {
      taken++;
      state.free--;
    }
    expect(state.free).toBeGreaterThanOrEqual(RESERVED_DESCRIPTORS / 2 - 1);
    expect(state.free).toBeLessThan(RESERVED_DESCRIPTORS);
    state.free = 50;
    expect(guard.hasRoom()).toBe(true);
  });

  it('does not open descriptors for every connection', () => {
    const { guard, state } = setUp(1000);
    for (let i = 0; i < 90; i++) expect(guard.hasRoom()).toBe(true);
    expect(state.looks).toBe(10);
  });

  it('looks once a second while connections come and go', () => {
    const { guard, state } = setUp(1000);
    for (let i = 0; i < 500; i++) {
      expect(guard.hasRoom()).toBe(true);
      guard.release();
    }
    expect(state.looks).toBe(1);
    state.now = DESCRIPTOR_LOOK_MS;
    state.free = 0; // something else took them
    expect(guard.hasRoom()).toBe(false);
  });

  it('looks again after a refusal, however many connections were closed', () => {
    const { guard, state } = setUp(0);
    expect(guard.hasRoom()).toBe(false);
    for (let i = 0; i < 20; i++) guard.release();
    expect(guard.hasRoom()).toBe(false);
    state.free = 1000;
    expect(guard.hasRoom()).toBe(true);
  });

  it('warns at once and then once a minute, with the number of refusals since', () => {
    const { guard, state, warnings } = setUp(0);
    for (let i = 0; i < 10; i++) expect(guard.hasRoom()).toBe(false);
    expect(warnings).toEqual([1]);
    state.now = DESCRIPTOR_WARNING_MS;
    guard.refuse();
    expect(warnings).toEqual([1, 10]);
  });

  it('looks again after a failure', () => {
    const { guard, state } = setUp(1000);
    expect(guard.hasRoom()).toBe(true);
    guard.refuse();
    state.free = 0;
    expect(guard.hasRoom()).toBe(false);
  });

  it('finds out whether real descriptors are free', () => {
    const guard = new DescriptorGuard({ onShortage: () => undefined, now: () => 0 });
    expect(guard.hasRoom()).toBe(true);
  });

  it.runIf(process.platform === 'linux')('leaves none of those open that it opens to look', () => {
    const opened = () => readdirSync('/proc/self/fd').length;
    const before = opened();
    const guard = new DescriptorGuard({ onShortage: () => undefined, now: () => 0 });
    expect(guard.hasRoom()).toBe(true);
    expect(opened()).toBe(before);
  });

  /** Replaces the system's calls. @param free how many descriptors can be opened */
  function withFreeDescriptors(free: number) {
    const { openSync, closeSync } = fs;
    const opened: number[] = [];
    const closed: number[] = [];
    fs.openSync = () => {
      if (opened.length === free) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
      return opened.push(opened.length + 1_000_000) + 999_999;
    };
    fs.closeSync = (descriptor) => closed.push(descriptor);
    syncBuiltinESMExports();
    onTestFinished(() => {
      Object.assign(fs, { openSync, closeSync });
      syncBuiltinESMExports();
    });
    return { opened, closed };
  }

  it.each([
    ['as many as it keeps in reserve', RESERVED_DESCRIPTORS, RESERVED_DESCRIPTORS, true],
    ['no more than that', 1_000, RESERVED_DESCRIPTORS, true],
    ['fewer if there are fewer, and refuses then', RESERVED_DESCRIPTORS - 1, RESERVED_DESCRIPTORS - 1, false],
  ])('opens %s, and closes each of them', (_what, free, count, hasRoom) => {
    const { opened, closed } = withFreeDescriptors(free);
    const guard = new DescriptorGuard({ onShortage: () => undefined, now: () => 0 });
    expect(guard.hasRoom()).toBe(hasRoom);
    expect(opened).toHaveLength(count);
    expect(closed).toEqual(opened);
  });
});
