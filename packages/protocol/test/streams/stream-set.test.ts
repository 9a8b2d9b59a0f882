import { describe, expect, it } from 'vitest';
import { transportFor } from '../../src/connection/memory-budget.js';
import { StreamSet } from '../../src/streams/stream-set.js';

const LIMITS = transportFor(128 * 1024 * 1024);

describe('StreamSet', () => {
  it('keeps the highest limit on streams when MAX_STREAMS arrive out of order (spec streams 5.1)', () => {
    const streams = new StreamSet('client', LIMITS);
    streams.onMaxStreams(200);
    streams.onMaxStreams(150);
    const opened = Array.from({ length: 201 }, () => streams.open());
    expect(opened.filter((stream) => stream !== undefined)).toHaveLength(200);
  });
});

describe('a side that may open no more streams', () => {
  it('hears once when it may again, and only if it asked for one (spec streams 5.4)', () => {
    const streams = new StreamSet('client', LIMITS);
    streams.onMaxStreams(200);
    expect(streams.pollEvent()).toBeUndefined();
    for (let i = 0; i < 200; i++) expect(streams.open()).toBeDefined();
    expect(streams.open()).toBeUndefined();
    streams.onMaxStreams(200);
    expect(streams.pollEvent()).toBeUndefined();
    streams.onMaxStreams(201);
    streams.onMaxStreams(202);
    expect([streams.pollEvent(), streams.pollEvent()]).toEqual([{ type: 'streams-available' }, undefined]);
    expect(streams.open()).toBeDefined();
  });
});

describe('a stream', () => {
  it('takes nothing once it was reset, by either side (spec streams 4.2)', () => {
    const streams = new StreamSet('client', LIMITS);
    const [own, stopped, lost] = [streams.open(), streams.open(), streams.open()];
    own?.reset(0);
    expect(own?.write(new Uint8Array(10))).toBe(0);
    streams.onStopSending(stopped?.id as number, 7);
    expect(stopped?.write(new Uint8Array(10))).toBe(0);
    streams.loseAll();
    expect(lost?.write(new Uint8Array(10))).toBe(0);
    expect(streams.bufferedBytes).toBe(0);
  });

  it('does not let its writer write after the end: that is a bug of the writer', () => {
    const stream = new StreamSet('client', LIMITS).open();
    stream?.write(new Uint8Array(10));
    stream?.finish();
    expect(() => stream?.write(new Uint8Array(1))).toThrow('nothing is written after finish');
  });
});
