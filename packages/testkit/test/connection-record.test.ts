import { describe, expect, it } from 'vitest';
import {
  type ConnectionRecord,
  findOpened,
  newConnection,
  type OpenedStream,
} from '../src/connection-record.js';

/** A connection of the relay in which it has opened stream 1. */
function connection(ownEpoch: string, otherEpoch?: string, otherRun?: number): ConnectionRecord {
  const record = newConnection();
  record.ownEpochs.add(ownEpoch);
  record.otherEpoch = otherEpoch;
  record.otherRun = otherRun;
  record.opened.set(1, {} as OpenedStream);
  return record;
}

/** The connection of the client: its run is 1. */
function theirs(ownEpoch: string, otherEpoch?: string) {
  return { ownEpochs: new Set([ownEpoch]), otherEpoch };
}

describe('findOpened', () => {
  const find = (connections: ConnectionRecord[], of: ReturnType<typeof theirs>, run = 1) => {
    const opened = findOpened(connections, 1, run, of);
    return opened === undefined ? -1 : connections.findIndex((record) => record.opened.get(1) === opened);
  };

  it('finds a stream in the connection with the same epochs, although a later one has the same id (seed 508000)', () => {
    // The relay had met the client's epoch c1, and the client has gone on to c2 without restarting.
    const connections = [connection('e1', 'c1', 1), connection('e2')];
    expect(find(connections, theirs('c2', 'e1'))).toBe(0);
    expect(find(connections, theirs('c2', 'e2'))).toBe(1);
  });

  it('tells the connections of one epoch apart by the other side', () => {
    const connections = [connection('e1', 'c1', 1), connection('e1', 'c2', 2), connection('e2', 'c2', 2)];
    expect(find(connections, theirs('c1', 'e1'))).toBe(0);
    expect(find(connections, theirs('c2', 'e1'), 2)).toBe(1);
    expect(find([connection('e1', 'c1', 1), connection('e1')], theirs('c2', 'e1'))).toBe(1);
  });

  it('goes by runs if the epochs are unknown, and finds only what was opened', () => {
    const connections = [connection('e1', 'c1', 1), connection('e1', 'c2', 2), newConnection()];
    expect(find(connections, theirs('c1'))).toBe(0);
    expect(find(connections, theirs('c2'), 2)).toBe(1);
    expect(find(connections, theirs('c3'), 3)).toBe(-1);
    expect(findOpened([newConnection()], 1, 1, theirs('c1', 'e1'))).toBeUndefined();
  });
});
