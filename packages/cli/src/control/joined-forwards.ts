/** The client's side of `POST /forwards`: a second process has this client run its forwards, until it ends. */
import type { BoundForward, Client, ClientEvent } from '@underpass/client';
import type { Forward } from '@underpass/forward';
import { CliError, usageError } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { FORWARD_PARSERS, isForwardKind } from '../forward-parsers.js';
import type { ControlExchange } from './control-server.js';

/** How many forwards one process may add. */
export const MAX_JOINED_FORWARDS = 1024;

/** A forward as it is sent: the other process parses the text itself. */
export interface ForwardText {
  readonly kind: Forward['kind'];
  readonly text: string;
}

/** The lines of the answer. */
export type JoinedLine =
  /** One for each forward, in order. */
  | ({ readonly type: 'listening' } & Pick<BoundForward, 'addresses' | 'path'> & ForwardText)
  /** The forward was running already, so it stays when the other process ends. */
  | ({ readonly type: 'running' } & ForwardText)
  /** Behind the forwards. */
  | { readonly type: 'joined'; readonly pid: number }
  /** What happens to the client from then on. */
  | { readonly type: 'event'; readonly event: ClientEvent };

/** Runs forwards for other processes. It owns the exchanges with them; the client owns the forwards. */
export class JoinedForwards {
  readonly #client: Client;
  readonly #exchanges = new Set<ControlExchange>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Starts the forwards in `body`, and removes them when the exchange ends.
   *  @throws CliError or UnderpassError if one of them cannot be started; none is running then */
  async add(body: unknown, exchange: ControlExchange): Promise<void> {
    const lines: JoinedLine[] = [];
    const added: Forward[] = [];
    try {
      for (const forward of forwardsIn(body)) {
        const { kind, text } = forward;
        if (this.#isRunning(forward)) {
          lines.push({ type: 'running', kind, text });
          continue;
        }
        const { addresses, path } = await this.#client.addForward(forward);
        added.push(forward);
        lines.push({ type: 'listening', kind, text, addresses, ...(path !== undefined && { path }) });
      }
    } catch (error) {
      await this.#remove(added);
      throw error;
    }
    const leave = (): void => {
      this.#exchanges.delete(exchange);
      void this.#remove(added);
    };
    this.#exchanges.add(exchange);
    if (exchange.signal.aborted) leave();
    else exchange.signal.addEventListener('abort', leave);
    for (const line of lines) exchange.send(line);
    exchange.send({ type: 'joined', pid: process.pid } satisfies JoinedLine);
  }

  /** Reports what happens to the client to every process that joined. */
  onEvent(event: ClientEvent): void {
    for (const exchange of this.#exchanges) exchange.send({ type: 'event', event } satisfies JoinedLine);
  }

  #isRunning({ kind, text }: Forward): boolean {
    return this.#client.forwards.some(({ spec }) => spec.kind === kind && spec.text === text);
  }

  async #remove(forwards: readonly Forward[]): Promise<void> {
    for (const forward of forwards) await this.#client.removeForward(forward);
  }
}

/** @throws CliError if the body is not a list of forwards */
function forwardsIn(body: unknown): Forward[] {
  const list: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'forwards') : undefined;
  if (!Array.isArray(list))
    throw new CliError(ExitCode.usage, 'expected {"forwards": [{"kind", "text"}, …]}');
  if (list.length > MAX_JOINED_FORWARDS) {
    throw usageError(`${list.length} forwards are too many at once`, `give at most ${MAX_JOINED_FORWARDS}`);
  }
  return list.flatMap((item: unknown) => {
    const { kind, text } = (item ?? {}) as Partial<Record<keyof ForwardText, unknown>>;
    if (!isForwardKind(kind) || typeof text !== 'string') {
      throw usageError(
        `the running client does not know the forward ${JSON.stringify(item)}`,
        'it may be an older version: stop it, and start it again',
      );
    }
    const parsed = FORWARD_PARSERS[kind](text);
    if ('reason' in parsed) throw usageError(parsed.reason);
    return parsed;
  });
}
