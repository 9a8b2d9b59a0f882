// Opens UDP sockets in this process's network namespace, and passes them to its parent.
import { createSocket } from 'node:dgram';

process.on('message', ({ address, port }) => {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', (error) => process.send({ error: String(error) }));
  socket.bind({ address, port, exclusive: true }, () => {
    // Close our copy, or both processes would read from the same socket.
    process.send({ bound: address }, socket, () => socket.close());
  });
});
process.on('disconnect', () => process.exit());
