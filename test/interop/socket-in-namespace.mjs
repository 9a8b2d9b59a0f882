// Opens UDP sockets in the network namespace that this process runs in, and hands them to its parent.
import { createSocket } from 'node:dgram';

process.on('message', ({ address, port }) => {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', (error) => process.send({ error: String(error) }));
  socket.bind({ address, port, exclusive: true }, () => {
    // Ours has to go, or both would read from the one socket.
    process.send({ bound: address }, socket, () => socket.close());
  });
});
process.on('disconnect', () => process.exit());
