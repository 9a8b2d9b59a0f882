/** What the opener and the acceptor need from the driver that carries their streams. */
import type { Stream } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';

export interface Tunnel {
  attach(stream: Stream, handler: StreamHandler): void;
  /** Call after commands on streams. */
  wake(): void;
}
