/** `--qlog FILE`: writes packets, losses and the congestion window as events, for qvis. */
import { fstatSync } from 'node:fs';
import { createPortableSuite } from '@underpass/protocol';
import { type DatagramTap, type Log, monotonicMs, unixTimeMs } from '@underpass/runtime';
import { type PeerMetrics, Qlog } from '@underpass/trace';
import { CliError, systemReason } from '../cli-error.js';
import { ExitCode } from '../exit-code.js';
import { VERSION } from '../version.js';
import { openPrivately } from './private-file.js';
import { RecordingFile } from './recording-file.js';

/** The least time between two looks at the statistics of the peers. */
const METRICS_INTERVAL_MS = 5;

/** A log that is being written. */
export interface RunningQlog {
  readonly tap: DatagramTap;
  readonly keyLog: (line: string) => void;
  /** Empties the file and writes it from now on, with what was recorded so far. */
  begin(): void;
  /** Sets where the statistics of the peers come from. */
  watch(peers: () => readonly PeerMetrics[]): void;
  /** Resolves when everything is on the disk. */
  close(): Promise<void>;
}

/** Opens or creates the file, with mode 0600. It will contain no secrets, but who talks to whom, when and how much.
 *
 *  @throws CliError if the file cannot be opened, is no regular file, is a link, belongs to another user or is open to
 *    others */
export function openQlog(path: string, place: 'client' | 'relay', log: Log): RunningQlog {
  const file = openPrivately(path, 'the qlog');
  if (!fstatSync(file).isFile()) {
    throw new CliError(ExitCode.config, `the qlog ${path} is not a regular file`, 'choose another file');
  }
  const output = new RecordingFile({
    file,
    isHeld: true,
    onStopped: (error) => {
      const reason = error === undefined ? 'it has reached its largest size' : systemReason(error);
      log.warn({ event: 'qlog-stopped' }, `the qlog ${path} stops here (${reason})`);
    },
  });
  const unixAtZeroMs = unixTimeMs() - monotonicMs();
  const qlog = new Qlog({
    application: `underpass ${VERSION}`,
    vantagePoint: place === 'client' ? 'client' : 'server',
    startUnixMs: Math.floor(unixAtZeroMs + monotonicMs()),
    suite: createPortableSuite(),
    write: (record) => output.append(Buffer.from(record)),
  });
  let peers: () => readonly PeerMetrics[] = () => [];
  let lookedAt = Number.NEGATIVE_INFINITY;
  const look = (now: number): void => {
    if (now - lookedAt < METRICS_INTERVAL_MS) return;
    lookedAt = now;
    for (const peer of peers()) qlog.handleMetrics(unixAtZeroMs + now, peer);
  };
  return {
    tap: {
      onReceived: (datagram, from) => {
        const now = monotonicMs();
        qlog.handleDatagram(unixAtZeroMs + now, 'received', from, datagram);
        look(now);
      },
      onSent: (datagram, _from, to) => {
        const now = monotonicMs();
        look(now);
        qlog.handleDatagram(unixAtZeroMs + now, 'sent', to, datagram);
      },
    },
    keyLog: (line) => qlog.handleKeyLogLine(line),
    begin: () => output.begin(),
    watch(source) {
      peers = source;
    },
    close: () => output.close(),
  };
}
