/** What a relay or client writes about its traffic, if its options say so. */
import type { DatagramTap, Log } from '@underpass/runtime';
import { openCapture, type RunningCapture } from './capture-file.js';
import { openKeyLog } from './key-log.js';

/** The options of the command line. */
export interface RecordingFlags {
  readonly keyLog?: string;
  readonly capture?: string;
}

/** What client and relay need to be recorded. */
export interface Recordings {
  readonly keyLog: ((line: string) => void) | undefined;
  readonly tap: DatagramTap | undefined;
  /** Completes the files. Call it last. */
  close(): Promise<void>;
}

/** Opens the files, and warns about each.
 *  @param place  `client` or `relay`
 *  @throws CliError if a file cannot be opened or is not safe */
export function openRecordings(flags: RecordingFlags, place: string, log: Log): Recordings {
  const keyLog = flags.keyLog === undefined ? undefined : openKeyLog(flags.keyLog, log);
  const capture = flags.capture === undefined ? undefined : openCapture(flags.capture, place, log);
  return {
    keyLog: joinKeyLogs(keyLog, capture),
    tap: capture?.tap,
    close: async () => capture?.close(),
  };
}

function joinKeyLogs(
  keyLog: ((line: string) => void) | undefined,
  capture: RunningCapture | undefined,
): Recordings['keyLog'] {
  if (keyLog === undefined || capture === undefined) return keyLog ?? capture?.keyLog;
  return (line) => {
    keyLog(line);
    capture.keyLog(line);
  };
}
