/** Connects for undici, the library behind `fetch`. */
import { isIP, type Socket } from 'node:net';
import tls from 'node:tls';
import { TunnelError } from '@underpass/forward';
import { TLS_HANDSHAKE_LIMIT_MS } from '../limits.js';
import type { Dial } from './agents.js';
import type { Connector, ConnectorCallback, TunnelSocket } from './api.js';

/** @param handshakeLimitMs  how long TLS may take once the target is connected; undici does not limit it */
export function connectorOf(dial: Dial, handshakeLimitMs = TLS_HANDSHAKE_LIMIT_MS): Connector {
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
      if (isTls) limitHandshake(dialled, socket, host, handshakeLimitMs);
    } catch (error) {
      process.nextTick(callback, error, null);
      return;
    }
    whenReady(socket, isTls ? 'secureConnect' : 'connect', callback);
  };
}

function limitHandshake(dialled: TunnelSocket, socket: Socket, host: string, limitMs: number): void {
  dialled.once('connect', () => {
    const timer = setTimeout(() => {
      const reason = `${host} did not complete the TLS handshake within ${limitMs / 1000} s`;
      socket.destroy(new TunnelError('timed-out', `${reason}: check that this port expects TLS`));
    }, limitMs);
    const stop = () => clearTimeout(timer);
    socket.once('secureConnect', stop).once('close', stop);
  });
}

function whenReady(socket: Socket, event: 'secureConnect' | 'connect', callback: ConnectorCallback): void {
  let isReady = false;
  socket.once(event, () => {
    isReady = true;
    callback(null, socket);
  });
  // It stays until undici listens itself, which is a moment after the callback.
  socket.once('error', (error) => {
    if (!isReady) callback(error, null);
  });
}
