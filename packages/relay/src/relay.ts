/** STUB, filled in soon. */
import type { Relay, RelayOptions } from './relay-options.js';

/** Opens the UDP socket.
 *  @throws UnderpassError when it cannot be bound, or two peers share a name or a key */
export function startRelay(_options: RelayOptions): Promise<Relay> {
  return Promise.reject(new Error('stub'));
}
