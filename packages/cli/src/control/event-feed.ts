/** `GET /events`: what happens to a relay or client, as lines of JSON, to everybody who asked. */
import type { ControlExchange } from './control-server.js';

/** Passes events on to the callers that follow them. A caller that does not read misses some. */
export class EventFeed<E extends object> {
  readonly #exchanges = new Set<ControlExchange>();

  /** Sends events until the caller goes. */
  add(exchange: ControlExchange): void {
    if (exchange.signal.aborted) return;
    this.#exchanges.add(exchange);
    exchange.signal.addEventListener('abort', () => this.#exchanges.delete(exchange));
    exchange.send({ type: 'following', pid: process.pid });
  }

  onEvent(event: E): void {
    for (const exchange of this.#exchanges) exchange.send(event);
  }
}
