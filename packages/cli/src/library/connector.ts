/** Connects for undici, the library behind `fetch`. */
import { isIP, type Socket } from 'node:net';
import tls from 'node:tls';
import type { Dial } from './agents.js';
import type { Connector, ConnectorCallback } from './api.js';

export function connectorOf(dial: Dial): Connector {
  return ({ hostname, protocol, port, servername, ...options }, callback) => {
    const isTls = protocol === 'https:';
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    let socket: Socket;
    try {
      const dialled = dial({ host, port: port === '' ? (isTls ? 443 : 80) : Number(port) });
      socket = isTls
        ? tls.connect({
            ALPNProtocols: ['http/1.1'],
            ...options,
            host, // undici's own has the port behind it, which no certificate has
            servername: servername || (isIP(host) === 0 ? host : ''),
            socket: dialled,
          })
        : (dialled as unknown as Socket); // it has what undici uses of one
    } catch (error) {
      process.nextTick(callback, error, null);
      return;
    }
    whenReady(socket, isTls ? 'secureConnect' : 'connect', callback);
  };
}

function whenReady(socket: Socket, event: 'secureConnect' | 'connect', callback: ConnectorCallback): void {
  const onError = (error: Error) => {
    socket.off(event, onReady);
    callback(error, null);
  };
  const onReady = () => {
    socket.off('error', onError);
    callback(null, socket);
  };
  socket.once(event, onReady).once('error', onError);
}
