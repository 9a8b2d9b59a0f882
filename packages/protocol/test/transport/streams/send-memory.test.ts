import { describe, expect, it } from 'vitest';
import { SendMemory } from '../../../src/transport/streams/send-memory.js';
import type { ConnectionStream } from '../../../src/transport/streams/stream.js';

const LIMITS = { sendBufferBytes: 100_000, minStreamSendBufferBytes: 8_000 };

/** A stream whose writer waits, and which holds this many bytes. */
function waitingStream(bufferedBytes: number): ConnectionStream {
  const buffer = { bufferedBytes, written: bufferedBytes };
  return {
    wantsRoom: true,
    sending: { limit: 2 ** 30, isOpen: true, buffer },
  } as unknown as ConnectionStream;
}

describe('a writer that waits for memory (spec streams 5.8)', () => {
  it('is told when another stream gives memory back, although it had none at its own last change', () => {
    const memory = new SendMemory(LIMITS, () => 2 ** 30);
    const stream = waitingStream(20_000);
    const told: ConnectionStream[] = [];
    const announce = (): void => memory.announceRoom((one) => told.push(one));
    memory.addBytes(LIMITS.sendBufferBytes);
    memory.noteChange(stream);
    announce();
    expect([memory.room(stream), told]).toEqual([0, []]);
    memory.addBytes(-60_000);
    announce();
    announce();
    expect(told).toEqual([stream]);
  });
});
