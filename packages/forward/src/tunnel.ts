/** What opener and dialer need of the driver that carries their streams. */
import type { Stream } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';

export interface Tunnel {
  attach(stream: Stream, handler: StreamHandler): void;
  /** To be called after commands on streams. */
  wake(): void;
}
