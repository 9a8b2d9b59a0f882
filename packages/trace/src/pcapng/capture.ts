import { type CapturedDatagram, captureDatagram, captureSecrets, captureStart } from './pcapng.js';

/** Lines of the key log that wait for the next datagram. A handshake has four. */
export const MAX_WAITING_LINES = 4096;

export interface CaptureOptions {
  /** What writes it, for example `underpass 0.1.0`. */
  readonly application: string;
  /** Where it is made, for example `client`. */
  readonly interfaceName: string;
  /** Receives the capture piece by piece. @returns false if a piece cannot be kept */
  readonly write: (bytes: Uint8Array) => boolean;
}

/** Writes a capture that Wireshark opens decrypted, with no setting.
 *
 *  The caller passes it the lines of the key log and the datagrams, in the order in which they occurred. A line waits
 *  for the next datagram, so that the secrets of a handshake make one block in front of the first packet that needs
 *  them. It keeps nothing else. */
export class Capture {
  readonly #write: (bytes: Uint8Array) => boolean;
  #lines: string[] = [];

  constructor({ application, interfaceName, write }: CaptureOptions) {
    this.#write = write;
    write(captureStart(application, interfaceName));
  }

  handleKeyLogLine(line: string): void {
    this.#lines.push(line);
    // Should nothing be sent for a long time, the oldest lines are of no more use.
    if (this.#lines.length > MAX_WAITING_LINES) this.#lines.shift();
  }

  /** @returns whether the datagram is in the capture */
  handleDatagram(datagram: CapturedDatagram): boolean {
    if (this.#lines.length > 0 && this.#write(captureSecrets(this.#lines))) this.#lines = [];
    return this.#write(captureDatagram(datagram));
  }
}
