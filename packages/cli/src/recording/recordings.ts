/** What a relay or client writes about its traffic, if its options say so. */
import type { DatagramTap, Log } from '@underpass/runtime';
import type { PeerMetrics } from '@underpass/trace';
import { openCapture } from './capture-file.js';
import { openKeyLog } from './key-log.js';
import { openQlog } from './qlog-file.js';

/** The options of the command line. */
export interface RecordingFlags {
  readonly keyLog?: string;
  readonly capture?: string;
  readonly qlog?: string;
}

/** What client and relay need to be recorded. */
export interface Recordings {
  readonly keyLog: ((line: string) => void) | undefined;
  readonly tap: DatagramTap | undefined;
  /** Call it once the process has started: a start that fails must not empty a file, which another process may be writing.
   *  @param peers  where the statistics of the peers come from */
  begin(peers: () => readonly PeerMetrics[]): void;
  /** Completes the files. Call it last. */
  close(): Promise<void>;
}

/** Opens the files, and warns about those that contain secrets.
 *  @throws CliError if a file cannot be opened or is not safe */
export function openRecordings(flags: RecordingFlags, place: 'client' | 'relay', log: Log): Recordings {
  const keyLog = flags.keyLog === undefined ? undefined : openKeyLog(flags.keyLog, log);
  const capture = flags.capture === undefined ? undefined : openCapture(flags.capture, place, log);
  const qlog = flags.qlog === undefined ? undefined : openQlog(flags.qlog, place, log);
  const keyLogs = [keyLog, capture?.keyLog, qlog?.keyLog].filter((one) => one !== undefined);
  return {
    keyLog: keyLogs.length === 0 ? undefined : (line) => keyLogs.forEach((write) => void write(line)),
    tap: joinTaps(capture?.tap, qlog?.tap),
    begin(peers) {
      qlog?.watch(peers);
      capture?.begin();
      qlog?.begin();
    },
    close: async () => void (await Promise.all([capture?.close(), qlog?.close()])),
  };
}

/** One tap that shows the same to all of them. */
export function joinTaps(...some: readonly (DatagramTap | undefined)[]): DatagramTap | undefined {
  const taps = some.filter((tap) => tap !== undefined);
  if (taps.length < 2) return taps[0];
  return {
    onlyHandshakes: taps.every(({ onlyHandshakes }) => onlyHandshakes === true),
    onReceived(datagram, from, to) {
      for (const tap of taps) tap.onReceived(datagram, from, to);
    },
    onSent(datagram, from, to) {
      for (const tap of taps) tap.onSent(datagram, from, to);
    },
  };
}
