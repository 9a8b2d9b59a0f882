import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_SENT_FRAMES, MAX_SENT_PACKETS } from '../../../src/transport/limits.js';
import { Content, PacketKind, PacketLog, PacketState } from '../../../src/transport/recovery/packet-log.js';
import { SentFrameKind } from '../../../src/transport/recovery/sent-frames.js';

function push(log: PacketLog, packets: number, framesEach = 0): void {
  for (let n = 0; n < packets; n++) {
    log.begin();
    for (let f = 0; f < framesEach; f++) log.addFrame(SentFrameKind.reset, 4 * f, 0, 0);
    log.push(0, 1200, PacketKind.ackEliciting);
  }
}

/** The ids of the streams whose frames were in a packet. */
function streamIds(log: PacketLog, packetNumber: number): number[] {
  const i = log.slot(packetNumber);
  const first = log.firstFrame[i] as number;
  return Array.from({ length: log.frameCount[i] as number }, (_, f) => {
    return log.frames.streamId[log.frames.slot(first + f)] as number;
  });
}

describe('PacketLog', () => {
  it('reports that it is full before the ring is', () => {
    const log = new PacketLog();
    push(log, MAX_SENT_PACKETS - 3);
    expect(log.isFull).toBe(false);
    log.skip();
    push(log, 1);
    expect(log.isFull).toBe(true);
    log.skip(); // before CLOSE, which goes out even then
    expect(log.state[log.slot(0)]).toBe(PacketState.outstanding);
    expect(() => push(log, 1)).toThrow('more packets sent than are remembered');
  });

  it('keeps room for probes and acknowledgements, both of packets and of frames', () => {
    const log = new PacketLog();
    push(log, MAX_SENT_PACKETS - 1025);
    expect(log.isNearlyFull).toBe(false);
    push(log, 1);
    expect(log.isNearlyFull).toBe(true);
    const many = new PacketLog();
    push(many, (MAX_SENT_FRAMES - 1024) / 256 - 1, 256);
    expect(many.isNearlyFull).toBe(false);
    push(many, 1, 256);
    expect(many.isNearlyFull).toBe(true);
    expect(many.frames.hasRoomFor(1024)).toBe(true);
    expect(many.frames.hasRoomFor(1025)).toBe(false);
  });

  it('never takes more memory than MAX_BYTES, whatever is in the packets', () => {
    const log = new PacketLog();
    while (log.frames.hasRoomFor(290)) push(log, 1, 290);
    while (!log.isFull) push(log, 1);
    expect(log.allocatedBytes).toBe(PacketLog.MAX_BYTES);
    expect(PacketLog.MAX_BYTES).toBeLessThan(8 * 1024 * 1024);
  });

  it('forgets what was in a packet together with the packet', () => {
    const log = new PacketLog();
    push(log, 10, 100);
    expect(log.frames.count).toBe(1000);
    for (let n = 0; n < 4; n++) log.acknowledge(n);
    log.state[log.slot(4)] = PacketState.lost;
    log.forget(0);
    expect(log.first).toBe(4);
    expect(log.frames.count).toBe(600);
    log.forget(1);
    expect(log.first).toBe(5);
    expect(log.frames.count).toBe(500);
    for (let n = 5; n < 10; n++) log.acknowledge(n);
    log.forget(1);
    expect(log.first).toBe(log.next);
    expect(log.frames.count).toBe(0);
  });

  it('keeps each packet and its frames while the rings grow', () => {
    const log = new PacketLog();
    for (let n = 0; n < 1000; n++) {
      log.begin();
      log.addContent(Content.maxData);
      log.addAck(7 * n);
      for (let f = 0; f < n % 5; f++) log.addFrame(SentFrameKind.stream, n + f, 0, 1);
      log.push(n, 1000 + n, PacketKind.ackEliciting);
      if (n < 100) log.acknowledge(n);
      if (n === 100) log.forget(0);
    }
    for (let n = 100; n < 1000; n++) {
      const i = log.slot(n);
      expect(log.contents[i]).toBe(Content.maxData | Content.ack);
      expect(log.ackLargest[i]).toBe(7 * n);
      expect(log.sentAt[i]).toBe(n);
      expect(log.size[i]).toBe(1000 + n);
      expect(streamIds(log, n)).toEqual(Array.from({ length: n % 5 }, (_, f) => n + f));
    }
  });

  it('knows what was in a packet after any number of packets and frames', () => {
    const log = new PacketLog();
    const FRAMES = 7;
    for (let n = 0; n * FRAMES < 3 * 2 ** 16; n++) {
      log.begin();
      for (let f = 0; f < FRAMES; f++) log.addFrame(SentFrameKind.stream, n + f, 0, 1);
      log.push(n, 1200, PacketKind.ackEliciting);
      if (n < 2) continue;
      expect(streamIds(log, n - 1)).toEqual(Array.from({ length: FRAMES }, (_, f) => n - 1 + f));
      log.acknowledge(n - 2);
      log.forget(0);
    }
    expect(log.frames.count).toBe(2 * FRAMES);
  });

  it('has no memory before the first packet, and gives back what it does not need', () => {
    const log = new PacketLog();
    expect(log.allocatedBytes).toBe(0);
    push(log, 1, 1);
    const least = log.allocatedBytes;
    expect(least).toBeLessThan(4096);
    push(log, 60_000, 2);
    const most = log.allocatedBytes;
    for (let n = 0; n < 59_997; n++) log.acknowledge(n);
    log.forget(0);
    expect(log.allocatedBytes).toBeLessThan(most / 500);
    log.trim();
    expect(log.allocatedBytes).toBe(least);
    for (let n = 59_997; n < 60_001; n++) expect(streamIds(log, n)).toEqual([0, 4]);
  });

  it('keeps its memory while bursts follow each other', () => {
    const log = new PacketLog();
    push(log, 100, 1);
    const bytes = log.allocatedBytes;
    for (let n = 0; n < 100; n++) log.acknowledge(n);
    log.forget(0);
    expect(log.first).toBe(100);
    expect(log.allocatedBytes).toBe(bytes);
  });

  it('discards what was added for a packet that was not sent', () => {
    const log = new PacketLog();
    log.begin();
    log.addFrame(SentFrameKind.reset, 4, 0, 0);
    log.addContent(Content.maxData);
    push(log, 1, 1);
    expect(streamIds(log, 0)).toEqual([0]);
    expect(log.contents[log.slot(0)]).toBe(0);
  });

  it('knows which numbers were skipped, until they are forgotten (spec streams 2.2)', () => {
    const log = new PacketLog();
    push(log, 5);
    log.skip();
    push(log, 5);
    expect(log.hasSkippedIn(0, 4)).toBe(false);
    expect(log.hasSkippedIn(5, 5)).toBe(true);
    expect(log.hasSkippedIn(0, 10)).toBe(true);
    expect(log.hasSkippedIn(6, 10)).toBe(false);
    for (let n = 0; n < 5; n++) log.acknowledge(n);
    log.forget(0);
    expect(log.first).toBe(6);
    expect(log.hasSkippedIn(0, 10)).toBe(false);
  });

  it('finds the next packet that is not acknowledged as a plain search would', () => {
    const step = fc.oneof(
      fc.record({ acknowledge: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ find: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ send: fc.integer({ min: 1, max: 60 }) }),
      fc.constant({ forget: true }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const log = new PacketLog();
        push(log, 20);
        const acknowledged = new Set<number>();
        const pick = (share: number) => log.first + Math.floor(share * Math.max(log.next - log.first - 1, 0));
        for (const one of steps) {
          if ('send' in one) push(log, one.send);
          else if ('forget' in one) log.forget(0);
          else if (log.first === log.next) continue;
          else if ('acknowledge' in one) {
            log.acknowledge(pick(one.acknowledge));
            acknowledged.add(pick(one.acknowledge));
          } else {
            let expected = pick(one.find);
            while (expected >= log.first && acknowledged.has(expected)) expected--;
            const found = expected < log.first ? -1 : expected;
            expect(log.unacknowledgedAtOrBelow(pick(one.find))).toBe(found);
          }
        }
      }),
    );
  });

  it('looks at the same few packets, however many acknowledged ones are remembered (spec recovery 3.4: "MUST depend only on")', () => {
    const log = new PacketLog();
    push(log, 60_000);
    let looks = 0;
    const count = () => {
      looks++;
    };
    // The packets are acknowledged two by two, as they arrive, except the first, so that none is forgotten.
    for (let n = 1; n + 1 < 60_000; n += 2) {
      for (const m of [n + 1, n]) log.acknowledge(m);
      log.unacknowledgedAtOrBelow(n + 1);
      if (n !== 50_001) continue;
      log.distance = counted(log.distance, count);
      for (let again = 0; again < 100; again++) expect(log.unacknowledgedAtOrBelow(50_000)).toBe(0);
      log.distance = Uint32Array.from(log.distance);
    }
    expect(looks).toBeLessThan(1000);
  });
});

/** The same column, but `look` is called at each access. */
function counted(column: Uint32Array<ArrayBuffer>, look: () => void): Uint32Array<ArrayBuffer> {
  return new Proxy(column, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) look();
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
