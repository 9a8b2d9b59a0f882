import { type CapturedDatagram, captureDatagram, captureSecrets, captureStart } from './pcapng.js';

export interface CaptureOptions {
  /** What writes it, for example `underpass 0.1.0`. */
  readonly application: string;
  /** Where it is made, for example `client`. */
  readonly interfaceName: string;
  /** Receives the capture piece by piece. */
  readonly write: (bytes: Uint8Array) => void;
}

/** Writes a capture that Wireshark opens decrypted, with no setting.
 *
 *  The caller passes it the lines of the key log and the datagrams, in the order in which they occurred. A line waits
 *  for the next datagram, so that the secrets of a handshake make one block in front of the first packet that needs
 *  them. It keeps nothing else. */
export class Capture {
  readonly #write: (bytes: Uint8Array) => void;
  #lines: string[] = [];

  constructor({ application, interfaceName, write }: CaptureOptions) {
    this.#write = write;
    write(captureStart(application, interfaceName));
  }

  handleKeyLogLine(line: string): void {
    this.#lines.push(line);
  }

  handleDatagram(datagram: CapturedDatagram): void {
    if (this.#lines.length > 0) {
      this.#write(captureSecrets(this.#lines));
      this.#lines = [];
    }
    this.#write(captureDatagram(datagram));
  }
}
