/** Ports of the relay that lead to this program (spec reverse). */
import type { Client, ClientEvent } from '@underpass/client';
import { parseReverseForwards, type ReverseForward, THIS_PROGRAM, TunnelError } from '@underpass/forward';
import { UnderpassError } from '@underpass/runtime';
import type { ListenOptions, ListenTarget, TunnelListener } from './api.js';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Each listener is a reverse forward of the client, which asks the relay again and again. Here the first answer decides:
 *  a program wants to know about a refusal. */
export class Listeners {
  readonly #client: Client;
  /** Those without an answer yet, by the text of the forward. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** @throws UnderpassError for invalid options, TunnelError when the relay refuses, or the signal's reason */
  async open(
    place: string | number,
    target: ListenTarget,
    { signal, allowHalfOpen = false }: ListenOptions = {},
  ): Promise<TunnelListener> {
    signal?.throwIfAborted();
    const service = typeof target === 'function' ? { serve: target, allowHalfOpen } : undefined;
    const spec = typeof target === 'function' ? servedAt(place) : specOf(`${place}:${targetText(target)}`);
    if (
      this.#waiting.has(spec.text) ||
      this.#client.forwards.some((other) => other.spec.text === spec.text)
    ) {
      throw new UnderpassError('address-in-use', `this tunnel already listens for ${spec.text}`, '');
    }
    const onAbort = () => this.#waiting.get(spec.text)?.reject(signal?.reason);
    const answer = new Promise<void>((resolve, reject) => this.#waiting.set(spec.text, { resolve, reject }));
    signal?.addEventListener('abort', onAbort);
    try {
      const [bound] = await Promise.all([this.#client.addForward(spec, service), answer]);
      const close = async () => {
        await this.#client.removeForward(spec);
      };
      return {
        get port() {
          return bound.addresses[0]?.port;
        },
        close,
        [Symbol.asyncDispose]: close,
      };
    } catch (error) {
      await this.#client.removeForward(spec);
      throw error;
    } finally {
      this.#waiting.delete(spec.text);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  onEvent(event: ClientEvent): void {
    if (event.type === 'reverse-listening') this.#waiting.get(event.forward)?.resolve();
    else if (event.type === 'reverse-refused') {
      const failure = event.status === 'opened' ? 'internal-error' : event.status;
      this.#waiting.get(event.forward)?.reject(new TunnelError(failure, event.advice));
    }
  }

  close(): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new UnderpassError('closed', 'the tunnel is closed', ''));
    }
  }
}

/** The forward of a place whose visitors this program serves. */
function servedAt(place: string | number): ReverseForward {
  const parsed = specOf(`${place}:localhost:1`); // the target only completes the syntax
  return { ...parsed, text: `${place}:this program`, target: THIS_PROGRAM };
}

/** As it is written in a forward, where a path stands for itself. */
function targetText(target: string | number): string {
  if (typeof target === 'number') return `localhost:${target}`;
  return target.replace(/^unix:(?=\/(?!\/))/, '');
}

function specOf(text: string): ReverseForward {
  const parsed = parseReverseForwards(text);
  if ('reason' in parsed) throw new UnderpassError('invalid-option', parsed.reason, '');
  const [spec, second] = parsed;
  if (spec !== undefined && second === undefined) return spec;
  throw new UnderpassError(
    'invalid-option',
    `'${text}' is a range of ports`,
    'call listen once for each port',
  );
}
