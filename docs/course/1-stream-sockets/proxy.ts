/** Step 1: a TCP proxy. It accepts connections on one port, opens one to the target for each, and copies bytes both ways. */
import { connect, createServer, type Socket } from 'node:net';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface Proxy {
  readonly port: number;
  close(): void;
}

/** Listens on the loopback address, where only programs of this machine can connect.
 *  @param port  0 lets the system choose a free one */
export function startProxy(target: Target, port = 0): Promise<Proxy> {
  const open = new Set<Socket>();
  // allowHalfOpen: one direction may end while the other goes on.
  // pauseOnConnect: read nothing before there is somewhere to put it.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (visitor) => {
    const outward = connect({ ...target, allowHalfOpen: true });
    outward.once('connect', () => {
      copy(visitor, outward);
      copy(outward, visitor);
    });
    for (const [socket, other] of [
      [visitor, outward],
      [outward, visitor],
    ] as const) {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      // An error on one side becomes an error on the other. A clean end here would say "that was all" when it was not.
      socket.on('error', () => other.resetAndDestroy());
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        close: () => {
          server.close();
          for (const socket of open) socket.destroy();
        },
      });
    });
  });
}

/** Copies one direction until it ends. */
function copy(from: Socket, to: Socket): void {
  from.on('data', (bytes) => {
    // `write` returns false when the other side reads more slowly than we write. Then we stop reading too: TCP's own flow
    // control makes the sender wait, and at no time do more than some kilobytes lie here.
    if (to.write(bytes)) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
  from.once('end', () => to.end());
  from.resume();
}

if (import.meta.filename === process.argv[1]) {
  const [listen, host = 'localhost', port] = process.argv.slice(2);
  const proxy = await startProxy({ host, port: Number(port) }, Number(listen));
  console.log(`127.0.0.1:${proxy.port} leads to ${host}:${port}`);
}
