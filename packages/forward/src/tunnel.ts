/** The part of the driver that openers and acceptors use. */
import type { Stream } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';

export interface Tunnel {
  attach(stream: Stream, handler: StreamHandler): void;
  /** Call after commands on streams. */
  wake(): void;
}
