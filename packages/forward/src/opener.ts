/** The client's side of a stream: asks the relay for a target and connects it to a local socket (spec forwarding 2.1,
 *  2.2). */

import type { Socket } from 'node:net';
import { type Stream, StreamErrorCode } from '@underpass/protocol';
import type { Target } from './forward-spec.js';
import { Pump, type PumpSummary } from './pump.js';
import type { RateLimit } from './rate-limit.js';
import {
  decodeStatus,
  encodeRequest,
  type RequestStatus,
  requestFor,
  type StreamRequest,
} from './request.js';
import { resetSocket } from './reset-socket.js';
import type { SocketWatch } from './socket-watch.js';
import type { Tunnel } from './tunnel.js';

export interface OpenerObserver {
  /** The relay reached the target. */
  onOpened?(): void;
  /** The local connection was reset because the relay refused the target, or because no stream could be opened. */
  onRefused(status: RequestStatus): void;
  /** The relay's rules have changed and do not permit the connection any more, so it was reset (spec forwarding 3.9). */
  onForbidden?(): void;
  /** The local connection is closed. Called last, also after a refusal. */
  onEnd(summary: PumpSummary): void;
}

/** Carries `socket`, just accepted, to `target` through `stream`. While the relay cannot be reached, the bytes wait.
 *  @param stream  undefined when no stream can be opened
 *  @param header  for the target, before the bytes of the socket */
export function openThroughTunnel(
  tunnel: Tunnel,
  stream: Stream | undefined,
  socket: Socket,
  target: Target,
  observer: OpenerObserver,
  watch: SocketWatch,
  header?: Uint8Array,
): void {
  if (stream === undefined) {
    refuseWithoutStream(socket, observer);
    return;
  }
  requestThroughTunnel(tunnel, stream, socket, requestFor(target), observer, watch, {
    ...(header && { header }),
  });
}

/** Sends `request` on a stream that was just opened, and connects the stream to `socket` without waiting for the
 *  status. A refusal resets the socket. */
export function requestThroughTunnel(
  tunnel: Tunnel,
  stream: Stream,
  socket: Socket,
  request: StreamRequest,
  observer: OpenerObserver,
  watch: SocketWatch,
  { header, limit }: { readonly header?: Uint8Array; readonly limit?: RateLimit | undefined } = {},
): void {
  let status: RequestStatus | undefined;
  let lost = false;
  const pump = new Pump({
    socket,
    stream,
    watch,
    limit,
    wake: () => tunnel.wake(),
    preface: (bytes) => {
      const decoded = decodeStatus(bytes);
      if (!decoded.ok) return undefined;
      status = decoded.value;
      if (status === 'opened') {
        observer.onOpened?.();
        return bytes.subarray(decoded.bytesRead);
      }
      pump.abort(StreamErrorCode.refused);
      observer.onRefused(status);
      return undefined;
    },
    onEnd: (summary) => observer.onEnd(summary),
  });
  // spec forwarding 2.1: send the request at once and never wait for its status
  stream.write(encodeRequest(request));
  // spec forwarding 2.8: it fits, because a stream that was just opened has room for 8 KiB
  if (header !== undefined) stream.write(header);
  tunnel.attach(stream, {
    onReadable: () => {
      pump.onReadable();
      if (status === undefined && stream.readFinished) observer.onRefused('internal-error');
    },
    onWritable: () => pump.onWritable(),
    onStopped: () => pump.onStopped(),
    onReset: (code) => {
      lost = code === StreamErrorCode.connectionLost;
      pump.onReset();
      if (status === 'opened' && code === StreamErrorCode.refused) observer.onForbidden?.();
      if (status === undefined && !lost) observer.onRefused('internal-error');
    },
  });
  pump.start();
  tunnel.wake();
}

/** spec forwarding 2.2 */
function refuseWithoutStream(socket: Socket, observer: OpenerObserver): void {
  socket.on('error', () => {});
  socket.on('close', () => observer.onEnd({ bytesSent: 0, bytesReceived: 0, clean: false }));
  resetSocket(socket);
  observer.onRefused('too-many-streams');
}
