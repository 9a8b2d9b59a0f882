import { Content, EndModel, SeededRandom } from '@underpass/testkit';
import { beforeEach, describe, expect, test } from 'vitest';

const content = new Content(new SeededRandom(1));
let violations: string[];
let writer: EndModel;
let reader: EndModel;

beforeEach(() => {
  violations = [];
  const report = (violation: string) => violations.push(violation);
  writer = new EndModel('writer', content, 1234, report);
  reader = new EndModel('reader', content, 5678, report);
  writer.peer = reader;
  reader.peer = writer;
});

const written = (offset: number, length: number) => content.bytes(1234, offset, length);

/** Brings both directions to a clean end. */
function finishBoth(): void {
  writer.finish();
  reader.onReadFinished();
  reader.finish();
  writer.onReadFinished();
  writer.onClosed();
  reader.onClosed();
}

describe('the model of a stream allows', () => {
  test('bytes in pieces of any size, then the FIN, then the end', () => {
    writer.write(1000);
    for (const [offset, length] of [
      [0, 1],
      [1, 700],
      [701, 299],
    ] as const)
      reader.onRead(written(offset, length));
    finishBoth();
    writer.checkEnd();
    reader.checkEnd();
    expect(violations).toEqual([]);
  });

  test('a stream of no bytes', () => {
    finishBoth();
    expect(violations).toEqual([]);
  });

  test('a reset, seen after some of the bytes', () => {
    writer.write(1000);
    reader.onRead(written(0, 10));
    writer.reset(2);
    reader.onReset(2);
    reader.finish();
    writer.onReadFinished();
    writer.onClosed();
    reader.onClosed();
    reader.checkEnd();
    expect(violations).toEqual([]);
  });

  test('a stop, after which the writer resets', () => {
    reader.stopSending(3);
    writer.onStopped(3);
    reader.finish();
    writer.onReadFinished();
    writer.onClosed();
    reader.onClosed();
    expect(violations).toEqual([]);
  });

  test('the loss of the connection at any time', () => {
    writer.write(5);
    reader.onReset(4);
    reader.onClosed();
    reader.checkEnd();
    expect(violations).toEqual([]);
  });
});

describe('the model of a stream reports', () => {
  const reading = (...pieces: Uint8Array[]) => {
    writer.write(1000);
    for (const piece of pieces) reader.onRead(piece);
    return violations.length;
  };

  test('swapped bytes', () => {
    const bytes = new Uint8Array(written(0, 1000));
    bytes.set([bytes[11] as number, bytes[10] as number], 10);
    expect(reading(bytes)).toBe(1);
  });
  test('swapped pieces', () => expect(reading(written(100, 100), written(0, 100))).toBe(2));
  test('a duplicated piece', () => expect(reading(written(0, 100), written(0, 100))).toBe(1));
  test('a missing piece', () => expect(reading(written(0, 100), written(101, 100))).toBe(1));
  test('one altered bit', () => {
    const bytes = new Uint8Array(written(0, 1000));
    bytes[999] = (bytes[999] as number) ^ 0x80;
    expect(reading(bytes)).toBe(1);
  });
  test('bytes of the other direction', () => expect(reading(content.bytes(5678, 0, 100))).toBe(1));
  test('more bytes than were written', () => expect(reading(written(0, 1001))).toBe(1));
  test('a piece of no bytes', () => expect(reading(written(0, 0))).toBe(1));

  test('a FIN that is early, was never written, or arrives twice', () => {
    writer.write(10);
    reader.onRead(written(0, 9));
    reader.onReadFinished();
    expect(violations).toHaveLength(2);
    reader.onReadFinished();
    expect(violations.length).toBeGreaterThan(2);
  });

  test('bytes, a reset or another FIN after the FIN', () => {
    writer.write(10);
    writer.finish();
    reader.onRead(written(0, 10));
    reader.onReadFinished();
    expect(violations).toEqual([]);
    reader.onRead(written(0, 1));
    expect(violations.length).toBeGreaterThan(0);
    violations = [];
    writer.reset(1);
    reader.onReset(1);
    expect(violations).toHaveLength(1);
  });

  test('a reset that nobody requested, or with another code, or received twice', () => {
    reader.onReset(1);
    expect(violations).toHaveLength(1);
    writer.reset(2);
    reader.onReset(3);
    expect(violations).toHaveLength(3);
  });

  test('a stop that nobody requested', () => {
    writer.onStopped(0);
    expect(violations).toHaveLength(1);
  });

  test('anything after the end', () => {
    finishBoth();
    reader.onReadable();
    reader.onWritable(true);
    reader.onClosed();
    expect(violations).toHaveLength(3);
  });

  test('an end that is too early, or never reached', () => {
    writer.onClosed();
    expect(violations).toHaveLength(2);
    reader.checkEnd();
    expect(violations).toHaveLength(3);
  });
});

test('content detects a modification of the views that it lent', () => {
  const own = new Content(new SeededRandom(2));
  expect(own.isUntouched).toBe(true);
  const lent = own.bytes(0, 100, 1);
  lent[0] = (lent[0] as number) ^ 1;
  expect(own.isUntouched).toBe(false);
});
