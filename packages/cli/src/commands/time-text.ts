/** Times and durations as the command line reads and prints them. */

/** `2026-11-27 19:05 UTC` */
export function minuteText(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90m`, `24h` or `7d`.
 *  @returns milliseconds, or undefined */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  return digits === undefined || unitMs === undefined ? undefined : Number(digits) * unitMs;
}
