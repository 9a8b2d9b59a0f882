import { Capture } from '@underpass/trace';
import { UNIX_MS_AT_START } from './process.js';
import type { Run } from './run.js';

/** Returns a capture of everything that was sent in a run, with the secrets of its handshakes: a pcapng file that
 *  Wireshark opens decrypted. The datagrams are those that left, so it contains what was lost on the way too. */
export function captureOf({ history, keyLog }: Run): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  const capture = new Capture({
    application: 'underpass playground',
    interfaceName: 'simulated network',
    write: (bytes) => pieces.push(bytes) > 0,
  });
  let lines = 0;
  for (const { sentAt, from, to, bytes, origin } of history.datagrams) {
    for (; lines < keyLog.length && (keyLog[lines]?.at ?? 0) <= sentAt; lines++) {
      capture.handleKeyLogLine(keyLog[lines]?.text ?? '');
    }
    const comment = origin === 'process' ? {} : { comment: origin };
    capture.handleDatagram({ atUnixMs: UNIX_MS_AT_START + sentAt, from, to, bytes, ...comment });
  }
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
