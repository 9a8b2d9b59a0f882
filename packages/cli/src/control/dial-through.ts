/** The client's side of `POST /dial`: one connection to a target for another process, as its request and answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Client } from '@underpass/client';
import { parseTarget } from '@underpass/forward';

/** Carries the body of the request to the target, and what the target sends in the answer. Each direction ends with the
 *  other process's or the target's FIN. A failure breaks the exchange off, so that neither direction looks complete.
 *  @param targetText  as for `-W` */
export function dialThrough(
  client: Client,
  targetText: string,
  request: IncomingMessage,
  response: ServerResponse,
  refuse: (error: string) => void,
): void {
  const target = parseTarget(targetText);
  if ('reason' in target) {
    refuse(target.reason);
    return;
  }
  const { socket: exchange } = request;
  const socket = client.dial(target, { allowHalfOpen: true });
  socket.once('connect', () => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.flushHeaders();
    socket.pipe(response);
  });
  socket.once('error', (error) => {
    if (response.headersSent)
      exchange.destroy(); // not the answer, which lets go of it when it is complete
    else refuse(error.message);
  });
  request.once('error', () => socket.destroy());
  exchange.once('close', () => {
    if (!request.complete) socket.destroy(); // behind a complete answer, the request reports nothing itself
  });
  response.once('close', () => {
    if (!response.writableFinished) socket.destroy(); // the other process has gone
  });
  request.pipe(socket);
}
