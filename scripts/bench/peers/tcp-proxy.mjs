// node tcp-proxy.mjs LISTEN-HOST HOST PORT   carries every connection there; prints the port on which it listens

import { connect, createServer } from 'node:net';

const [listenHost, host, port] = process.argv.slice(2);
const server = createServer({ noDelay: true }, (socket) => {
  const other = connect({ host, port: Number(port), noDelay: true });
  for (const [from, to] of [
    [socket, other],
    [other, socket],
  ]) {
    from.on('error', () => to.destroy());
    from.pipe(to);
  }
});
server.listen(0, listenHost, () => process.stdout.write(`${server.address().port}\n`));
