/** `--capture FILE`: writes what goes over the network, with the secrets that open it. */
import { fstatSync } from 'node:fs';
import { type DatagramTap, type Log, monotonicMs, unixTimeMs } from '@underpass/runtime';
import { Capture, type CapturedDatagram } from '@underpass/trace';
import { CliError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { VERSION } from '../version.js';
import { openPrivately } from './private-file.js';
import { RecordingFile } from './recording-file.js';

/** A capture that is being written. */
export interface RunningCapture {
  readonly tap: DatagramTap;
  readonly keyLog: (line: string) => void;
  /** Empties the file and writes it from now on, with what was recorded so far. */
  begin(): void;
  /** Resolves when everything is on the disk. */
  close(): Promise<void>;
}

/** Opens or creates the file, with mode 0600, and warns that it exposes the traffic.
 *
 *  @param place  where the capture is made: `client` or `relay`
 *  @throws CliError if the file cannot be opened, is no regular file, is a link, belongs to another user or is open to
 *    others */
export function openCapture(path: string, place: string, log: Log): RunningCapture {
  const file = openPrivately(path, 'the capture');
  if (!fstatSync(file).isFile()) {
    throw new CliError(ExitCode.config, `the capture ${path} is not a regular file`, 'choose another file');
  }
  log.warn(
    { event: 'capture', file: path },
    `the capture is on: anyone who has ${path} can read this traffic, and pose as this side`,
  );
  let hasBegun = false;
  let datagrams = 0;
  let missing = 0;
  const output = new RecordingFile({
    file,
    isHeld: true,
    onStopped: (error) => {
      const reason = error === undefined ? 'it has reached its largest size' : systemReason(error);
      log.warn({ event: 'capture-stopped', datagrams }, `the capture ${path} stops here (${reason})`);
    },
  });
  const capture = new Capture({
    application: `underpass ${VERSION}`,
    interfaceName: place,
    write: (bytes) => output.append(bytes),
  });
  // Times that follow each other must not run backwards when the wall clock is set.
  const unixAtZeroMs = unixTimeMs() - monotonicMs();
  const add = (datagram: Omit<CapturedDatagram, 'atUnixMs'>): void => {
    if (capture.handleDatagram({ ...datagram, atUnixMs: unixAtZeroMs + monotonicMs() })) datagrams++;
    else missing++;
  };
  return {
    tap: {
      onReceived: (bytes, from, to) => add({ bytes, from, to, direction: 'received' }),
      onSent: (bytes, from, to) => add({ bytes, from, to, direction: 'sent' }),
    },
    keyLog: (line) => capture.handleKeyLogLine(line),
    begin() {
      hasBegun = true;
      output.begin();
    },
    async close() {
      await output.close();
      if (!hasBegun) return;
      const lack = missing === 0 ? '' : `; ${missing} more are missing from it`;
      log.info(
        { event: 'captured', file: path, datagrams, missing },
        `captured ${datagrams} datagrams in ${path}${lack}`,
      );
    },
  };
}
