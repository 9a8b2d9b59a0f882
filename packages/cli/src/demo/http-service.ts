/** The demo's HTTP service, run in a process of its own as `node http-service.js BYTES`. It answers every GET with the
 *  sample body, and reports events on stderr as JSON lines, as the relay and the client do. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { sampleBody } from './sample-body.js';

const lengthBytes = Number(process.argv[2]);

const server = createServer((request, response) => {
  request.resume();
  serve(response).catch((error: unknown) => report({ event: 'failed', msg: String(error) }));
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') report({ event: 'listening', port: address.port });
});

process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});

/** Writes the body as fast as the other side reads it, and hashes it. */
async function serve(response: ServerResponse): Promise<void> {
  const hash = createHash('sha256');
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': lengthBytes,
    connection: 'close',
  });
  for (const chunk of sampleBody(lengthBytes)) {
    hash.update(chunk);
    if (!response.write(chunk)) await once(response, 'drain');
  }
  response.end();
  report({ event: 'served', bytes: lengthBytes, sha256: hash.digest('hex') });
}

function report(fields: object): void {
  process.stderr.write(`${JSON.stringify(fields)}\n`);
}
