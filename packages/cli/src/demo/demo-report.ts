/** The demo's output. */
import { styleText } from 'node:util';
import type { TrafficTotals } from '../commands/traffic-totals.js';
import { formatBytes } from '../commands/traffic-totals.js';
import { printLine, usesColor } from '../terminal.js';
import type { Download } from './download.js';

/** The headers of IPv4 without options and of UDP (RFC 791, RFC 768). */
export const IP_UDP_HEADER_BYTES = 28;

const LABEL_WIDTH = 18;

/** Prints the demo as numbered steps. It counts the steps and aligns the labels; the text comes from the demo. */
export class DemoReport {
  #step = 0;

  title(text: string): void {
    printLine(`\n${style('bold', text)}\n`);
  }

  /** Prints a numbered step. Lines printed with `detail` belong to it. */
  step(label: string, text: string): void {
    this.#step++;
    printLine(` ${String(this.#step).padStart(2)}  ${style('bold', label.padEnd(LABEL_WIDTH))}${text}`);
  }

  detail(label: string, text: string): void {
    printLine(`     ${label.padEnd(LABEL_WIDTH)}${text}`);
  }

  success(text: string): void {
    printLine(`\n${style('green', text)}\n`);
  }
}

/** Payload bytes and datagrams of one direction. */
export interface Direction {
  readonly datagrams: number;
  readonly bytes: number;
}

/** `relay → client    7,512 datagrams   10,882,112 bytes`, headers included. */
export function directionText(direction: Direction): string {
  const bytes = wireBytes(direction);
  return `${grouped(direction.datagrams).padStart(7)} datagrams ${grouped(bytes).padStart(12)} bytes`;
}

/** Counts IP and UDP headers, but not link-layer headers. */
export function wireBytes(direction: Direction): number {
  return direction.bytes + direction.datagrams * IP_UDP_HEADER_BYTES;
}

/** Everything on the wire in both directions beyond the body, as a percentage of the body. */
export function overheadPercent(bodyBytes: number, totals: TrafficTotals): number {
  const all =
    wireBytes({ datagrams: totals.datagramsSent, bytes: totals.bytesSent }) +
    wireBytes({ datagrams: totals.datagramsReceived, bytes: totals.bytesReceived });
  return ((all - bodyBytes) / bodyBytes) * 100;
}

export function speedText({ bytes, durationMs }: Download): string {
  const bytesPerSecond = bytes / (durationMs / 1000);
  return `${(durationMs / 1000).toFixed(2)} s, ${formatBytes(bytesPerSecond)}/s`;
}

/** `10485760` as `10,485,760`. */
export function grouped(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',');
}

function style(format: 'bold' | 'green', text: string): string {
  return usesColor(process.stdout) ? styleText(format, text) : text;
}
