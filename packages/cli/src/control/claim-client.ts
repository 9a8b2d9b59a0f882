/** The control socket of a client, which is also the claim to its keys: one process runs them, others join it. */
import type { Client, ClientEvent } from '@underpass/client';
import type { Log } from '@underpass/runtime';
import { checkTarget, probeOptionsIn, probePath, targetIn } from './check-path.js';
import { type ClientFacts, clientReport } from './client-report.js';
import { clientSocketName } from './control-name.js';
import { type ControlRoutes, ControlSocketInUse } from './control-server.js';
import { dialThrough } from './dial-through.js';
import { EventFeed } from './event-feed.js';
import { JoinedCount } from './joined-count.js';
import { JoinedForwards } from './joined-forwards.js';
import { openControl } from './open-control.js';

/** The socket of the process that runs this client. */
export interface ClientControl {
  /** Answers requests from now on. Those that came before have waited. */
  serve(client: Client): void;
  /** Pass every event of the client. */
  onEvent(event: ClientEvent): void;
  /** Resolves when no other process uses this client. */
  idle(): Promise<void>;
  close(): void;
}

export type Claim =
  | { readonly kind: 'claimed'; readonly control: ClientControl }
  /** Another process runs a client with the same keys, and answers at `socket`. */
  | { readonly kind: 'taken'; readonly socket: string };

/** Claims the keys of a client. If there can be no control socket, the claim succeeds without one, and the log says
 *  why. */
export async function claimClient(facts: ClientFacts, log: Log): Promise<Claim> {
  let serve: (client: Client) => void = () => undefined;
  let joined: JoinedForwards | undefined;
  const feed = new EventFeed<ClientEvent>();
  const users = new JoinedCount();
  const running = new Promise<Client>((resolve) => {
    serve = (client) => {
      joined = new JoinedForwards(client);
      resolve(client);
    };
  });
  const routes: ControlRoutes = {
    'GET /status': async () => clientReport(facts, (await running).status()),
    'POST /forwards': async (body, exchange) => {
      await running;
      await joined?.add(body, exchange);
      const leave = users.enter();
      if (exchange.signal.aborted) leave();
      else exchange.signal.addEventListener('abort', leave);
      return undefined;
    },
    'GET /events': (_body, exchange) => {
      feed.add(exchange);
      return undefined;
    },
    'POST /check': async (body) => ({ outcome: await checkTarget(await running, targetIn(body)) }),
    'POST /probe': async (body) => probePath(await running, probeOptionsIn(body)),
  };
  const dial = async (...[target, request, response, refuse]: DialParameters): Promise<void> => {
    request.socket.once('close', users.enter()); // the last of the two directions to end
    const client = await running;
    if (request.socket.destroyed) return; // it did not wait
    dialThrough(client, target, request, response, refuse);
  };
  try {
    const name = clientSocketName(facts.publicKey, facts.relayPublicKey);
    const server = await openControl(name, log, routes, dial);
    const onEvent = (event: ClientEvent): void => {
      feed.onEvent(event);
      joined?.onEvent(event);
    };
    const idle = (): Promise<void> => users.idle();
    return { kind: 'claimed', control: { serve, onEvent, idle, close: () => server?.close() } };
  } catch (error) {
    if (error instanceof ControlSocketInUse) return { kind: 'taken', socket: error.file };
    throw error;
  }
}

type DialParameters =
  Parameters<typeof dialThrough> extends [unknown, ...infer Rest extends unknown[]] ? Rest : never;
