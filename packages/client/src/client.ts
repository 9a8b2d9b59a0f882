/** STUB, filled in soon. */
import type { Client, ClientOptions } from './client-options.js';

/** Opens the UDP socket and every listener.
 *  @throws UnderpassError when the relay's name does not resolve or a listener cannot be opened */
export function startClient(_options: ClientOptions): Promise<Client> {
  return Promise.reject(new Error('stub'));
}
