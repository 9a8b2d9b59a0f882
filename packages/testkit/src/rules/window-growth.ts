/** How far a congestion window may grow (RFC 9002 §7.3.3, RFC 9438 §4). It is computed from the last cut on, and not
 *  step by step, so that it shares nothing with the controllers. Sizes are in bytes, times in milliseconds. */

/** RFC 9438 §4.1, §4.6 */
const C = 0.4;
const BETA = 0.7;
/** A step that was almost due, and the estimates of times. */
const MARGIN_DATAGRAMS = 2;

/** Where the growth began: at the first window, in slow start, or with a cut. */
export interface Anchor {
  readonly kind: 'start' | 'cut';
  readonly window: number;
  /** The window before the cut. */
  readonly peak: number;
  readonly at: number;
  /** How much had been delivered. */
  readonly delivered: number;
}

/** In slow start a window grows by what is acknowledged. */
export function mostOfSlowStart({ window }: Anchor, ackedBytes: number, sizeBytes: number): number {
  return window + ackedBytes + sizeBytes;
}

/** One datagram for each window of acknowledged bytes. */
export function mostOfReno({ window }: Anchor, ackedBytes: number, sizeBytes: number): number {
  return window + sizeBytes * (MARGIN_DATAGRAMS + ackedBytes / window);
}

/** The cubic curve, whose peak may be lower than the window was (fast convergence), or the window that Reno would have. */
export function mostOfCubic(
  anchor: Anchor,
  ackedBytes: number,
  sizeBytes: number,
  elapsedMs: number,
): number {
  const { window, peak } = anchor;
  const curves = [peak, (peak * (1 + BETA)) / 2].map((top) => {
    const most = Math.max(top, window);
    const returnSeconds = Math.cbrt((most - window) / sizeBytes / C);
    return most + C * (elapsedMs / 1000 - returnSeconds) ** 3 * sizeBytes;
  });
  return Math.max(...curves, mostOfReno(anchor, ackedBytes, sizeBytes)) + MARGIN_DATAGRAMS * sizeBytes;
}
