/** What a relay reports to a client that probes (spec probe 2). */
import type { Decoded } from '../decoded.js';

export interface ProbeReport {
  /** The relay's clock, in Unix milliseconds. */
  readonly clockMs: number;
  /** Packets that the relay has sent to this client since the relay started, and that have to be acknowledged. */
  readonly packetsSent: number;
  readonly packetsLost: number;
  /** This client's address as the relay sees it, with the port. */
  readonly address: string;
  /** The relay's name for this client. */
  readonly name: string;
}

const NUMBERS_BYTES = 3 * 8;
/** Two texts of one byte of length each. */
export const MAX_REPORT_BYTES = NUMBERS_BYTES + 2 * (1 + 255);

export function encodeProbeReport(report: ProbeReport): Uint8Array {
  const texts = [report.address, report.name].map(asciiOf);
  const bytes = new Uint8Array(NUMBERS_BYTES + texts.reduce((sum, text) => sum + 1 + text.length, 0));
  const view = new DataView(bytes.buffer);
  [report.clockMs, report.packetsSent, report.packetsLost].forEach((number, index) => {
    view.setBigUint64(8 * index, BigInt(Math.round(number)));
  });
  let offset = NUMBERS_BYTES;
  for (const text of texts) {
    bytes[offset] = text.length;
    bytes.set(text, offset + 1);
    offset += 1 + text.length;
  }
  return bytes;
}

/** Total: any bytes give a report or `incomplete`. */
export function decodeProbeReport(bytes: Uint8Array): Decoded<ProbeReport> {
  const addressAt = NUMBERS_BYTES;
  const nameAt = addressAt + 1 + (bytes[addressAt] ?? 0);
  const end = nameAt + 1 + (bytes[nameAt] ?? 0);
  if (bytes.length <= nameAt || bytes.length < end) return { ok: false, reason: 'incomplete' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = (index: number): number => Number(view.getBigUint64(8 * index));
  const value = {
    clockMs: number(0),
    packetsSent: number(1),
    packetsLost: number(2),
    address: textOf(bytes.subarray(addressAt + 1, nameAt)),
    name: textOf(bytes.subarray(nameAt + 1, end)),
  };
  return { ok: true, value, bytesRead: end };
}

function asciiOf(text: string): Uint8Array {
  return Uint8Array.from(text.slice(0, 255), (character) => character.charCodeAt(0) & 0x7f);
}

/** Printable ASCII only: the text goes to a terminal. */
function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes).replace(/[^\x20-\x7e]/g, '?');
}
