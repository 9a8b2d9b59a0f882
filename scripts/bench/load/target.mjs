// Where the tunnels lead: a server that echoes, swallows or pours. Runs in a process of its own on the relay's side.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { serveRequests } from './requests.mjs';
import { ECHO, PACED_SOURCE, pour, pourPaced, SINK, SOURCE } from './services.mjs';

let receivedBytes = 0;

const SERVICES = {
  [ECHO]: (socket) => socket.on('data', (chunk) => socket.write(chunk)),
  [SINK]: (socket) => {
    socket.on('data', (chunk) => {
      receivedBytes += chunk.length;
    });
  },
  [SOURCE]: (socket) => {
    socket.resume();
    pour(socket);
  },
  [PACED_SOURCE]: (socket) => {
    socket.resume();
    pourPaced(socket);
  },
};

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', (first) => {
    const serve = SERVICES[String.fromCharCode(first[0])];
    if (serve === undefined) return socket.destroy();
    serve(socket);
    if (first.length > 1) socket.emit('data', first.subarray(1));
  });
});

serveRequests({
  async listen() {
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    return server.address().port;
  },

  /** What uploads have brought so far. */
  received: () => ({ bytes: receivedBytes, atMs: performance.now() + performance.timeOrigin }),
});
