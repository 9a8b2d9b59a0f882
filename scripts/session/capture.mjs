// A capture of the recorded session, as somebody sees it who stands in the middle of the network.

import { Capture } from '@underpass/trace';
import { ADDRESSES, START_UNIX_MS } from './record.mjs';

/** @returns the bytes of a pcapng file, with the client's secrets */
export function captureSession(datagrams) {
  const pieces = [];
  const capture = new Capture({
    application: 'underpass, scripts/session.mjs',
    interfaceName: 'the network',
    write: (bytes) => pieces.push(bytes) > 0,
  });
  for (const { at, from, bytes, isLost, keys } of datagrams) {
    for (const { by, line } of keys) if (by === 'client') capture.handleKeyLogLine(line);
    const to = from === 'client' ? 'relay' : 'client';
    capture.handleDatagram({
      atUnixMs: START_UNIX_MS + at,
      from: ADDRESSES[from],
      to: ADDRESSES[to],
      bytes,
      ...(isLost ? { comment: 'lost on the way' } : {}),
    });
  }
  return Buffer.concat(pieces);
}
