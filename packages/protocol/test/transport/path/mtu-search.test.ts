import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BLACK_HOLE_BURSTS,
  COOL_OFF_MS,
  MAX_PROBES,
  MTU_STEP_BYTES,
  MtuSearch,
  PROBE_FORGOTTEN_MS,
  RAISE_MS,
} from '../../../src/transport/path/mtu-search.js';

const BASE = 1200;
const MAX = 1472;
const RTT_MS = 30;

function create(maxBytes = MAX): MtuSearch {
  return new MtuSearch({ baseBytes: BASE, maxBytes });
}

/** A path that carries datagrams up to a size, and the sender's clock. */
class Path {
  now = 1000;
  carriesBytes: number;
  /** The sizes of the probes that were sent, in order. */
  readonly probes: number[] = [];
  readonly #isLost: () => boolean;

  constructor(carriesBytes: number, isLost = () => false) {
    this.carriesBytes = carriesBytes;
    this.#isLost = isLost;
  }

  /** Sends probes, one per round trip, until none is due. */
  run(search: MtuSearch): void {
    for (;;) {
      const bytes = search.probeBytes(this.now);
      if (bytes === undefined) return;
      this.probes.push(bytes);
      // The base itself is probed only when nothing larger is left (spec mtu 3.6).
      if (bytes !== BASE || search.datagramBytes !== BASE)
        expect(bytes).toBeGreaterThan(search.datagramBytes);
      expect(bytes % MTU_STEP_BYTES).toBe(0);
      search.onProbeSent(this.now, bytes);
      expect(search.probeBytes(this.now)).toBeUndefined();
      this.now += RTT_MS;
      if (bytes > this.carriesBytes || this.#isLost()) search.onProbeLost(this.now);
      else search.onProbeAcknowledged(this.now, bytes);
      expect(this.probes.length).toBeLessThan(200);
    }
  }
}

/** A search that has ended, and its path. */
function searched(carriesBytes: number, maxBytes = MAX) {
  const search = create(maxBytes);
  const path = new Path(carriesBytes);
  path.run(search);
  return { search, path };
}

/** Loses one burst: a packet of `bytes` that is sent now and declared lost a round trip later. */
function loseBurst(search: MtuSearch, path: Path, bytes: number): boolean {
  const sentAt = path.now;
  path.now += RTT_MS;
  const fell = search.onPacketLost(path.now, bytes, sentAt);
  path.now += 1;
  return fell;
}

function loseBursts(search: MtuSearch, path: Path, bytes: number, count = BLACK_HOLE_BURSTS): boolean[] {
  return Array.from({ length: count }, () => loseBurst(search, path, bytes));
}

describe('MtuSearch, searching', () => {
  it.each([
    ['lost', (search: MtuSearch) => search.onProbeLost(1_030)],
    ['acknowledged', (search: MtuSearch) => search.onProbeAcknowledged(1_030, MAX)],
  ])('learns nothing from a probe of an earlier search that is %s (spec mtu 3.3, 5)', (_, end) => {
    const search = create();
    expect(search.probeBytes(1_000)).toBe(MAX);
    search.onProbeSent(1_000, MAX);
    search.restart(1_010);
    end(search);
    expect(search.datagramBytes).toBe(BASE);
    const path = new Path(BASE);
    path.run(search);
    expect(path.probes.filter((bytes) => bytes === MAX).length % MAX_PROBES).toBe(0);
    expect(path.probes.slice(0, MAX_PROBES + 1).filter((bytes) => bytes === MAX)).toHaveLength(MAX_PROBES);
  });

  it('starts at the base and tries the maximum first (spec mtu 1.2, 3.1)', () => {
    const search = create();
    expect(search.datagramBytes).toBe(BASE);
    expect(search.probeBytes(0)).toBe(MAX);
    expect(search.pollTimeout()).toBeUndefined();
  });

  it('grows only when a probe is acknowledged, and ends for good at the maximum (spec mtu 3.3: "before a probe of that size has been acknowledged"; spec mtu 3.5)', () => {
    const search = create();
    search.onProbeSent(0, MAX);
    expect(search.datagramBytes).toBe(BASE);
    search.onProbeAcknowledged(RTT_MS, MAX);
    expect(search.datagramBytes).toBe(MAX);
    expect(search.probeBytes(1e9)).toBeUndefined();
    expect(search.pollTimeout()).toBeUndefined();
  });

  it('never tries more than the maximum, and does not search if that equals the base (spec mtu 1.3)', () => {
    expect(searched(9000, 1344).path.probes).toEqual([1344]);
    const off = searched(9000, BASE);
    expect(off.path.probes).toEqual([]);
    expect(off.search.pollTimeout()).toBeUndefined();
    expect(off.search.onPacketLost(1, BASE, 0)).toBe(false);
    expect(off.search.onProbeTimeout(1)).toBe(false);
    expect(off.search.onTooLarge(1, BASE)).toBe(false);
  });

  it.each([
    ['an Ethernet path over IPv4', 1472, MAX, 1],
    ['an Ethernet path over IPv6', 1452, 1440, 3 + 1 + 2 * 3],
    ['a path through another WireGuard tunnel', 1392, 1392, 2 * 3 + 1 + 3 + 3],
  ])('finds %s with few probes (spec mtu 3.1)', (_, carriesBytes, found, probes) => {
    const { search, path } = searched(carriesBytes);
    expect(search.datagramBytes).toBe(found);
    expect(path.probes).toHaveLength(probes);
  });

  it('tries a size again when its probe is lost, and a smaller one after three losses (spec mtu 3.2)', () => {
    const search = create();
    for (let i = 1; i <= MAX_PROBES; i++) {
      expect(search.probeBytes(i)).toBe(MAX);
      search.onProbeSent(i, MAX);
      search.onProbeLost(i);
    }
    expect(search.probeBytes(10)).toBe(1440);
    expect(search.datagramBytes).toBe(BASE);
  });

  it('starts counting losses again when a size is acknowledged or another one is tried (spec mtu 3.2)', () => {
    const { path } = searched(1440);
    expect(path.probes.slice(0, 7)).toEqual([1472, 1472, 1472, 1440, 1456, 1456, 1456]);
  });

  it('has one probe outstanding, and forgets it if nothing is heard of it (spec mtu 2.3)', () => {
    const search = create();
    for (let round = 0; round < 10; round++) {
      const sentAt = round * PROBE_FORGOTTEN_MS;
      expect(search.probeBytes(sentAt)).toBe(MAX);
      search.onProbeSent(sentAt, MAX);
      expect(search.probeBytes(sentAt + PROBE_FORGOTTEN_MS - 1)).toBeUndefined();
    }
    // None of the forgotten probes counted as lost.
    search.onProbeLost(1e6);
    search.onProbeLost(1e6);
    expect(search.probeBytes(1e6)).toBe(MAX);
  });

  it('ignores reports about probes that it does not know', () => {
    const search = create();
    search.onProbeAcknowledged(1, MAX);
    for (let i = 0; i < MAX_PROBES; i++) search.onProbeLost(1);
    expect(search.datagramBytes).toBe(BASE);
    expect(search.probeBytes(1)).toBe(MAX);
    search.onProbeSent(1, MAX);
    search.onProbeAcknowledged(2, MAX - 16);
    expect(search.datagramBytes).toBe(BASE);
    expect(search.probeBytes(2)).toBeUndefined();
  });

  it('tries the size that it found too large once more, because three losses may be chance (spec mtu 3.4)', () => {
    const search = create();
    let lost = 0;
    const path = new Path(MAX, () => lost++ < MAX_PROBES);
    path.run(search);
    expect(search.datagramBytes).toBe(MAX);
    expect(path.probes).toEqual([1472, 1472, 1472, 1440, 1456, 1472]);
    expect(search.pollTimeout()).toBeUndefined();
  });

  it('searches on from its size 600 s after a search ended below the maximum (spec mtu 3.5)', () => {
    const { search, path } = searched(1400);
    expect(search.datagramBytes).toBe(1392);
    expect(search.pollTimeout()).toEqual({ at: path.now + RAISE_MS, reason: 'mtu search' });
    path.now += RAISE_MS - 1;
    expect(search.probeBytes(path.now)).toBeUndefined();
    path.now += 1;
    path.carriesBytes = 1500;
    expect(search.probeBytes(path.now)).toBe(MAX);
    // The deadline has been handled. There is no other until the probe is reported on.
    expect(search.pollTimeout()).toBeUndefined();
    path.run(search);
    expect(search.datagramBytes).toBe(MAX);
  });

  it('leaves no deadline behind when nothing may be sent for a while', () => {
    const { search, path } = searched(1400);
    path.now += RAISE_MS;
    search.handleTimeout(path.now);
    expect(search.pollTimeout()).toBeUndefined();
    expect(search.probeBytes(path.now + 50)).toBe(MAX);
  });

  it('keeps its size when a later search finds nothing larger (spec mtu 3.5)', () => {
    const { search, path } = searched(1400);
    for (let i = 0; i < 3; i++) {
      path.now += RAISE_MS;
      path.run(search);
      expect(search.datagramBytes).toBe(1392);
      expect(search.pollTimeout()?.at).toBe(path.now + RAISE_MS);
    }
  });

  const aPath = fc.record({
    carriesBytes: fc.integer({ min: BASE, max: 9000 }),
    maxBytes: fc.integer({ min: BASE / 16, max: 8992 / 16 }).map((steps) => steps * 16),
  });

  it('finds the largest multiple of 16 on every path without random losses (spec mtu 1.1, 3.1)', () => {
    fc.assert(
      fc.property(aPath, ({ carriesBytes, maxBytes }) => {
        const { search, path } = searched(carriesBytes, maxBytes);
        const most = Math.min(carriesBytes, maxBytes);
        expect(search.datagramBytes).toBe(most - (most % MTU_STEP_BYTES));
        expect(path.probes.length).toBeLessThan(50);
      }),
      { numRuns: 300 },
    );
  });

  it('ends at most 32 bytes below the path MTU and never above it, with one probe in five lost (spec mtu 3.2, 3.4)', () => {
    const losses = fc.record({ percent: fc.integer({ min: 0, max: 20 }), seed: fc.integer() });
    fc.assert(
      fc.property(aPath, losses, ({ carriesBytes, maxBytes }, { percent, seed }) => {
        const random = seeded(seed);
        const search = create(maxBytes);
        const path = new Path(carriesBytes, () => random() < percent / 100);
        const most = Math.min(carriesBytes, maxBytes);
        // Chance may defeat about one search in ten thousand. The next one then finds the size.
        for (let searches = 0; searches < 4; searches++) {
          path.run(search);
          expect(search.datagramBytes).toBeLessThanOrEqual(most);
          path.now += RAISE_MS;
        }
        expect(search.datagramBytes).toBeGreaterThan(most - 32);
      }),
      { numRuns: 300 },
    );
  });
});

describe('MtuSearch, when the path becomes smaller', () => {
  it('falls to the base after three bursts of losses, even if smaller packets arrive (spec mtu 4.1)', () => {
    const { search, path } = searched(MAX);
    expect(loseBursts(search, path, MAX, 2)).toEqual([false, false]);
    search.onPacketAcknowledged(BASE, path.now);
    search.onPacketAcknowledged(MAX - 16, path.now);
    expect(loseBurst(search, path, MAX)).toBe(true);
    expect(search.datagramBytes).toBe(BASE);
  });

  it('counts losses that are found together, and those sent before that, as one burst (spec mtu 4.1)', () => {
    const { search } = searched(MAX);
    for (let i = 0; i < 100; i++) expect(search.onPacketLost(2000, MAX, 1900 + i)).toBe(false);
    for (let i = 0; i < 100; i++) expect(search.onPacketLost(2100 + i, MAX, 2000)).toBe(false);
    expect(search.onPacketLost(2300, MAX, 2001)).toBe(false);
    expect(search.onPacketLost(2400, MAX, 2300)).toBe(false);
    expect(search.onPacketLost(2500, MAX, 2301)).toBe(true);
  });

  it('forgets bursts when a packet as large arrives that was sent with them or later (spec mtu 4.1)', () => {
    const { search, path } = searched(MAX);
    for (let i = 0; i < 20; i++) {
      const fell = loseBursts(search, path, MAX, 2);
      search.onPacketAcknowledged(MAX, path.now);
      expect(fell).toEqual([false, false]);
    }
    expect(search.datagramBytes).toBe(MAX);
  });

  it('forgets a burst for a packet that was sent with the newest of its losses, and not for an earlier one (spec mtu 4.1)', () => {
    for (const [sentAt, falls] of [
      [2_009, true],
      [2_010, false],
    ] as const) {
      const { search } = searched(MAX);
      // Both losses are of one burst. The second packet was sent later.
      expect(search.onPacketLost(2_050, MAX, 2_000)).toBe(false);
      expect(search.onPacketLost(2_051, MAX, 2_010)).toBe(false);
      search.onPacketAcknowledged(MAX, sentAt);
      expect(search.onPacketLost(2_150, MAX, 2_100)).toBe(false);
      expect([sentAt, search.onPacketLost(2_250, MAX, 2_200)]).toEqual([sentAt, falls]);
    }
  });

  it('does not count the loss of a packet that was sent together with a full one that arrived (spec mtu 4.1)', () => {
    const { search } = searched(MAX);
    for (const [i, sentAt] of [2_000, 2_100, 2_200, 2_300].entries()) {
      search.onPacketAcknowledged(MAX, sentAt);
      expect([i, search.onPacketLost(sentAt + 50, MAX, sentAt)]).toEqual([i, false]);
    }
    const later = [2_301, 2_401, 2_501].map((sentAt) => search.onPacketLost(sentAt + 50, MAX, sentAt));
    expect(later).toEqual([false, false, true]);
  });

  it('does not count the loss of a packet if a full one sent later has already arrived (spec mtu 4.1)', () => {
    const { search, path } = searched(MAX);
    for (let i = 0; i < 20; i++) {
      search.onPacketAcknowledged(MAX, path.now);
      expect(loseBurst(search, path, MAX)).toBe(false);
    }
  });

  it('does not forget bursts for a packet as large sent earlier, or a smaller one sent later (spec mtu 4.1)', () => {
    const { search, path } = searched(MAX);
    const before = path.now - 1;
    loseBursts(search, path, 1400, 2);
    search.onPacketAcknowledged(MAX, before);
    search.onPacketAcknowledged(1392, path.now);
    expect(loseBurst(search, path, 1400)).toBe(true);
  });

  it('does not forget a burst for a packet that is smaller than the largest of its losses (spec mtu 4.1)', () => {
    const { search, path } = searched(MAX);
    for (let i = 0; i < 2; i++) {
      expect(search.onPacketLost(path.now + RTT_MS, 1_392, path.now)).toBe(false);
      expect(search.onPacketLost(path.now + RTT_MS, MAX, path.now)).toBe(false);
      path.now += RTT_MS + 1;
      search.onPacketAcknowledged(1_392, path.now);
    }
    expect(loseBurst(search, path, MAX)).toBe(true);
  });

  it('counts no burst from before a fall (spec mtu 4.1)', () => {
    const { search, path } = searched(MAX);
    expect(loseBurst(search, path, MAX)).toBe(false);
    expect(loseBurst(search, path, MAX)).toBe(false);
    expect(loseBurst(search, path, MAX)).toBe(true);
    path.carriesBytes = 1_400;
    path.now += COOL_OFF_MS;
    path.run(search);
    expect(search.datagramBytes).toBe(1_392);
    expect(loseBursts(search, path, 1_392)).toEqual([false, false, true]);
  });

  it('does not take lost packets of the base size for a black hole (spec mtu 1.2, 4.1)', () => {
    const { search, path } = searched(MAX);
    expect(loseBursts(search, path, BASE, 10)).not.toContain(true);
  });

  it('ignores the loss of packets larger than its size, which were sent before a fall (spec mtu 4.1)', () => {
    const { search, path } = searched(1400);
    expect(loseBursts(search, path, MAX, 10)).not.toContain(true);
    expect(search.datagramBytes).toBe(1392);
  });

  it('searches again after 60 s, first below the size that failed and last that size itself (spec mtu 4.3)', () => {
    const { search, path } = searched(MAX);
    loseBursts(search, path, MAX);
    const fellAt = path.now - 1;
    expect(search.pollTimeout()).toEqual({ at: fellAt + COOL_OFF_MS, reason: 'mtu search' });
    expect(search.probeBytes(fellAt + COOL_OFF_MS - 1)).toBeUndefined();
    path.now = fellAt + COOL_OFF_MS;
    path.probes.length = 0;
    path.carriesBytes = 1400;
    path.run(search);
    expect(path.probes[0]).toBe(1440);
    expect(path.probes).not.toContain(MAX);
    expect(search.datagramBytes).toBe(1392);
    path.now += RAISE_MS;
    expect(search.probeBytes(path.now)).toBe(MAX);
  });

  it('returns to the size that failed if it failed by chance (spec mtu 4.3)', () => {
    const { search, path } = searched(MAX);
    loseBursts(search, path, MAX);
    path.now += COOL_OFF_MS;
    path.run(search);
    expect(path.probes.slice(1)).toEqual([1440, 1456, 1472]);
    expect(search.datagramBytes).toBe(MAX);
  });

  it('falls after two probe timeouts with no acknowledgement in between, and suspects no size (spec mtu 4.2, 4.3)', () => {
    const { search, path } = searched(MAX);
    expect(search.onProbeTimeout(2000)).toBe(false);
    search.onPacketAcknowledged(100, 1990);
    expect(search.onProbeTimeout(2100)).toBe(false);
    expect(search.onProbeTimeout(2300)).toBe(true);
    expect(search.datagramBytes).toBe(BASE);
    expect(search.onProbeTimeout(2700)).toBe(false);
    path.now = 2300 + COOL_OFF_MS;
    expect(search.probeBytes(path.now - 1)).toBeUndefined();
    expect(search.probeBytes(path.now)).toBe(MAX);
  });

  it('starts counting probe timeouts again when anything is acknowledged, be it only a probe (spec mtu 4.2)', () => {
    const { search, path } = searched(1392);
    path.now += RAISE_MS;
    const bytes = search.probeBytes(path.now) as number;
    search.onProbeSent(path.now, bytes);
    expect(search.onProbeTimeout(path.now)).toBe(false);
    search.onProbeAcknowledged(path.now, bytes);
    expect(search.onProbeTimeout(path.now)).toBe(false);
    expect(search.onProbeTimeout(path.now)).toBe(true);
  });

  it('does not rise because of a probe that was outstanding when it fell (spec mtu 3.3: "acknowledgement of that probe MUST NOT count")', () => {
    const { search, path } = searched(1400);
    path.now += RAISE_MS;
    const bytes = search.probeBytes(path.now) as number;
    search.onProbeSent(path.now, bytes);
    loseBursts(search, path, 1392);
    search.onProbeAcknowledged(path.now, bytes);
    expect(search.datagramBytes).toBe(BASE);
    expect(search.probeBytes(path.now)).toBeUndefined();
  });
});

describe('MtuSearch, when the system refuses a size', () => {
  it('tries less at once, and does not try the refused size again (spec mtu 4.4)', () => {
    const search = create();
    search.onProbeSent(0, MAX);
    expect(search.onTooLarge(0, MAX)).toBe(false);
    // The connection has not found out yet that the probe is lost.
    expect(search.probeBytes(1)).toBeUndefined();
    search.onProbeLost(RTT_MS);
    const path = new Path(1471);
    path.run(search);
    expect(path.probes).toEqual([1440, 1456]);
    expect(search.datagramBytes).toBe(1456);
    expect(search.pollTimeout()?.at).toBe(path.now + RAISE_MS);
  });

  it('falls from a size that is refused, and searches below it without a cool-off (spec mtu 4.4)', () => {
    const { search, path } = searched(MAX);
    expect(search.onTooLarge(path.now, 1400)).toBe(true);
    expect(search.datagramBytes).toBe(BASE);
    expect(search.onTooLarge(path.now, 1400)).toBe(false);
    expect(search.onTooLarge(path.now, MAX)).toBe(false);
    path.carriesBytes = 1390;
    path.run(search);
    expect(search.datagramBytes).toBe(1376);
    expect(Math.max(...path.probes.slice(1))).toBe(1392);
  });

  it('keeps a size that is smaller than the refused one (spec mtu 4.4)', () => {
    const { search, path } = searched(1400);
    expect(search.onTooLarge(path.now, 1393)).toBe(false);
    expect(search.datagramBytes).toBe(1392);
    path.now += RAISE_MS;
    expect(search.probeBytes(path.now)).toBe(MAX);
  });

  it('falls from exactly the refused size, and not from the one below it (spec mtu 4.4)', () => {
    for (const [refused, falls] of [
      [MAX, true],
      [MAX + 1, false],
      [MAX - MTU_STEP_BYTES + 1, true],
    ] as const) {
      const { search, path } = searched(MAX);
      expect([refused, search.onTooLarge(path.now, refused)]).toEqual([refused, falls]);
      expect(search.datagramBytes).toBe(falls ? BASE : MAX);
    }
  });

  it('does not fall below the base even if that is refused (spec mtu 1.2)', () => {
    const { search, path } = searched(MAX);
    expect(search.onTooLarge(path.now, 1000)).toBe(true);
    expect(search.datagramBytes).toBe(BASE);
    path.probes.length = 0;
    path.run(search);
    expect(path.probes).toEqual([BASE]);
    expect(search.pollTimeout()?.at).toBe(path.now + RAISE_MS);
  });
});

describe('MtuSearch, when even the base is cut into fragments', () => {
  it('finds that out last, and reports it (spec mtu 3.6)', () => {
    const { search, path } = searched(BASE - 1);
    expect(search.datagramBytes).toBe(BASE);
    expect(path.probes.slice(-MAX_PROBES)).toEqual([BASE, BASE, BASE]);
    expect(path.probes.filter((bytes) => bytes === BASE)).toHaveLength(MAX_PROBES);
    expect(search.isBaseFragmented).toBe(true);
    expect(search.pollTimeout()?.at).toBe(path.now + RAISE_MS);
  });

  it('reports nothing if the base passes whole, and does not probe it if a larger size does (spec mtu 3.6)', () => {
    const exact = searched(BASE);
    expect(exact.path.probes.at(-1)).toBe(BASE);
    expect(exact.search.isBaseFragmented).toBe(false);
    const larger = searched(BASE + MTU_STEP_BYTES);
    expect(larger.path.probes).not.toContain(BASE);
    expect(larger.search.isBaseFragmented).toBe(false);
  });

  it('finds that out at once if the system refuses the probe (spec mtu 3.6, 4.4)', () => {
    const search = create();
    search.onTooLarge(0, BASE + MTU_STEP_BYTES);
    expect(search.probeBytes(0)).toBe(BASE);
    search.onProbeSent(0, BASE);
    expect(search.onTooLarge(0, BASE)).toBe(false);
    expect(search.isBaseFragmented).toBe(true);
    search.onProbeLost(1);
    expect(search.probeBytes(2)).toBeUndefined();
  });

  it('probes the base again on another path, and in each search (spec mtu 3.6, 5)', () => {
    const { search, path } = searched(BASE - 1);
    path.now += RAISE_MS;
    path.carriesBytes = BASE;
    path.run(search);
    expect(search.isBaseFragmented).toBe(false);
    path.carriesBytes = BASE - 1;
    search.restart(path.now);
    path.run(search);
    expect(search.isBaseFragmented).toBe(true);
  });
});

describe('MtuSearch, on another path', () => {
  it('starts over from the base, and a probe of the old path proves nothing (spec mtu 3.3, 5: "MUST start over from the base")', () => {
    const search = create();
    search.onProbeSent(0, MAX);
    search.restart(10);
    expect(search.datagramBytes).toBe(BASE);
    expect(search.probeBytes(10)).toBeUndefined();
    search.onProbeAcknowledged(20, MAX);
    expect(search.datagramBytes).toBe(BASE);
    expect(search.probeBytes(20)).toBe(MAX);
  });

  it('forgets what it knew about the old path (spec mtu 5)', () => {
    const { search, path } = searched(1400);
    loseBursts(search, path, 1392);
    search.restart(path.now);
    path.carriesBytes = 1500;
    path.probes.length = 0;
    path.run(search);
    // Not even the size that failed there is tried last here.
    expect(path.probes).toEqual([MAX]);
    expect(search.datagramBytes).toBe(MAX);
    expect(search.pollTimeout()).toBeUndefined();
  });

  it.each([
    [1300, 1296],
    [9000, MAX],
    [7, BASE],
    [MAX, MAX],
  ])('takes any number for a new limit: %i becomes %i (spec mtu 1.1, 1.3, 5)', (maxBytes, found) => {
    const { search, path } = searched(MAX);
    search.restart(path.now, maxBytes);
    expect(search.datagramBytes).toBe(BASE);
    path.run(search);
    expect(search.datagramBytes).toBe(found);
    search.restart(path.now);
    path.run(search);
    expect(search.datagramBytes).toBe(found);
  });

  it('keeps its limits under any order of calls: sizes in range, one probe at a time, no deadline that stays due', () => {
    const command = fc.record({
      call: fc.integer({ min: 0, max: 8 }),
      bytes: fc.integer({ min: 0, max: 2000 }),
      waitMs: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 700_000 })),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
        const search = create();
        let now = 0;
        for (const { call, bytes, waitMs } of commands) {
          now += waitMs;
          const before = search.datagramBytes;
          const probe = search.probeBytes(now);
          expect(search.pollTimeout()?.at ?? Number.POSITIVE_INFINITY).toBeGreaterThan(now);
          if (probe !== undefined) {
            expect((probe > before || probe === BASE) && probe <= MAX && probe % 16 === 0).toBe(true);
          }
          const calls = [
            () => probe !== undefined && search.onProbeSent(now, probe),
            () => probe !== undefined && search.onProbeSent(now, probe),
            () => search.onProbeAcknowledged(now, bytes - (bytes % 16)),
            () => search.onProbeLost(now),
            () => search.onPacketLost(now, bytes, now - waitMs),
            () => search.onPacketAcknowledged(bytes, now - waitMs),
            () => search.restart(now, bytes % 2 === 0 ? undefined : bytes),
            () => search.onTooLarge(now, bytes),
            () => search.onProbeTimeout(now),
          ];
          const result = calls[call]?.();
          const after = search.datagramBytes;
          expect(after >= BASE && after <= MAX && after % MTU_STEP_BYTES === 0).toBe(true);
          if (call === 4 || call === 7 || call === 8) expect(result).toBe(after < before);
          else if (call !== 2) expect(after).toBeLessThanOrEqual(before);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** xorshift32, so that a failure can be replayed from its seed. */
function seeded(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
